/**
 * From the declarations of commands to a command line that is read and checked, by commander: help texts, "did you mean", missing
 * and unexpected words are its work. What it finds wrong is thrown as SEKISHO_USAGE.
 */
import { type CommanderError, Option, Command as Parser } from 'commander';
import type { SekishoError } from '../errors/errors.ts';
import type { Args, Command, OptionDeclaration, Verb } from './command.ts';
import { usageError } from './errors.ts';
import { GENERAL_OPTIONS } from './options.ts';
import { bold, type Terminal } from './terminal.ts';

/** Columns of a help text; a terminal that is narrower gets lines as long as it has. */
const HELP_COLUMNS = 100;
const NEEDED_COLUMNS = 60;

/** A command line that may be carried out. */
export interface Line extends Omit<Args, 'server' | 'configuration'> {
  readonly declared: Verb;
}

/**
 * Read `words`, the command line behind the name of `command`. Undefined where help was asked for and has been written. Throws
 * SekishoError (SEKISHO_USAGE).
 */
export function readLine(command: Command, words: readonly string[], terminal: Terminal): Line | undefined {
  let line: Line | undefined;
  const root = rootParser(terminal);
  addCommand(root, command, (taken) => {
    line = taken;
  });
  return parsed(root, [command.name, ...verbFirst(command, words)]) ? line : undefined;
}

/** Say that there is no command `name`, and which is meant. Throws SekishoError. */
export function refuseCommand(name: string, known: readonly string[], terminal: Terminal): never {
  const root = rootParser(terminal);
  for (const each of known) root.command(each);
  parsed(root, [name]);
  throw usageError(`unknown command '${name}'`);
}

/** `sekisho help`, on standard output or, where nothing was asked for, on standard error. */
export function writeOverview(commands: readonly Command[], terminal: Terminal, to: 'out' | 'err'): void {
  const root = rootParser(terminal);
  for (const command of commands) addCommand(root, command, () => {});
  root.command('help').description('this text, or `sekisho help COMMAND`').usage('[COMMAND]');
  for (const option of generalOptions()) root.addOption(option);
  root.addHelpText('after', `\n${FIRST_STEPS}`);
  root.outputHelp({ error: to === 'err' });
}

const FIRST_STEPS = `First steps:
  sekisho run                          start with the defaults (127.0.0.1:5353)
  dig @127.0.0.1 -p 5353 example.com   ask it
  sekisho status                       see what it does
  sekisho check --config sekisho.yaml  look at a configuration before using it
  sekisho COMMAND --help               how a command is used, with examples

Exit codes: 0 it worked, 1 it did not, 2 the command line was wrong.`;

function rootParser(terminal: Terminal): Parser {
  const width = Math.max(NEEDED_COLUMNS, Math.min(HELP_COLUMNS, terminal.columns ?? HELP_COLUMNS));
  return new Parser('sekisho')
    .description('Sekisho, a DNS server that acts only on a legal ground')
    .usage('COMMAND [options]')
    .helpOption('-h, --help', 'this text')
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      // Errors are worded, with code and remedy, where they are caught.
      outputError: () => {},
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      getOutHasColors: () => terminal.isTerminal,
      getErrHasColors: () => terminal.isTerminal,
    })
    .configureHelp({
      styleTitle: (title) => bold(title, terminal),
      optionTerm: ({ flags }) => written(flags),
      subcommandTerm: (sub) => `${sub.name()} ${sub.registeredArguments.map(argumentText).join(' ')}`.trimEnd(),
      argumentTerm: argumentText,
      visibleArguments: () => [],
      visibleOptions: (parser) => [...optionsOf(parser), new Option('-h, --help', 'this text')],
    });
}

/** A command with verbs shows the options of all of them. */
function optionsOf(parser: Parser): readonly Option[] {
  if (parser.parent === null) return parser.options;
  const all = [...parser.commands.flatMap(({ options }) => options), ...parser.options];
  const own = all.filter(({ long }) => !Object.hasOwn(GENERAL_OPTIONS, long?.slice(2) ?? ''));
  return [...new Map([...own, ...all].map((option) => [option.long, option])).values()];
}

function addCommand(root: Parser, command: Command, take: (line: Line) => void): void {
  const { name, summary, help, verbs } = command;
  const parser = root.command(name).summary(summary).description(`${summary}\n\n${help}`);
  addExamples(parser, command.examples);
  if (!Object.hasOwn(verbs, '')) parser.usage('COMMAND [options]');
  for (const [verb, declared] of Object.entries(verbs)) {
    const target = verb === '' ? parser : parser.command(verb);
    if (verb !== '') {
      target.description(declared.summary ?? '');
      const own = command.examples.filter(([line]) => `${line} `.startsWith(`sekisho ${name} ${verb} `));
      addExamples(target, own.length > 0 ? own : command.examples);
    }
    addVerb(target, verb, declared, take);
  }
}

function addVerb(parser: Parser, verb: string, declared: Verb, take: (line: Line) => void): void {
  for (const word of (declared.arguments ?? '').split(' ').filter(Boolean))
    parser.argument(word.startsWith('[') ? word : `<${word}>`);
  for (const [name, option] of Object.entries(declared.options ?? {})) parser.addOption(optionOf(name, option, parser));
  for (const option of generalOptions(parser)) parser.addOption(option);
  const required = parser.options.filter(({ mandatory }) => mandatory).map(({ flags }) => written(flags));
  parser.usage([declared.arguments, ...required, '[options]'].filter(Boolean).join(' '));
  parser.allowExcessArguments(false);
  parser.action(() => {
    const options: Record<string, string> = {};
    const flags = new Set<string>();
    for (const option of parser.options) {
      const value: unknown = parser.getOptionValue(option.attributeName());
      const name = option.long?.slice(2) ?? '';
      if (typeof value === 'string') options[name] = value;
      else if (value === true) flags.add(name);
    }
    const { config, ...own } = options;
    const json = flags.delete('json');
    take({ verb, declared, positionals: parser.args, config, json, options: own, flags });
  });
}

function addExamples(parser: Parser, examples: Command['examples']): void {
  const lines = examples.map(([line, purpose]) => `  # ${purpose}\n  ${line}\n`);
  parser.addHelpText('after', ({ command }) => {
    const title = command.createHelp().styleTitle('Examples:');
    return `\n${title}\n${lines.join('\n')}`.trimEnd();
  });
}

function generalOptions(parser?: Parser): Option[] {
  const config = optionOf('config', GENERAL_OPTIONS.config, parser, '-c, ');
  return [config, optionOf('json', GENERAL_OPTIONS.json, parser)];
}

function optionOf(name: string, declared: OptionDeclaration, parser?: Parser, short = ''): Option {
  const { value, meaning, choices, integer, required = false } = declared;
  const option = new Option(`${short}--${name}${value === undefined ? '' : ` <${value}>`}`, meaning);
  option.makeOptionMandatory(required);
  if (choices) option.choices(choices);
  if (value === undefined) return option;
  return option.argParser((text) => {
    // Whoever forgets a value must not lose the option behind it: `--evidence --dry-run` would act.
    if (parser?.options.some(({ long, short: letter }) => text === long || text === letter))
      throw usageError(`--${name} needs a value, ${value}, and '${text}' is another option`);
    if (choices && !choices.includes(text)) throw usageError(`--${name} takes ${choices.join(', ')}, not '${text}'`);
    if (integer && !(/^\d{1,9}$/.test(text) && Number(text) >= integer[0] && Number(text) <= integer[1]))
      throw usageError(`--${name} takes a whole number from ${integer[0]} to ${integer[1]}, not '${text}'`);
    return text;
  });
}

/** `words` with the verb in front: options may also stand before it. */
function verbFirst({ name, verbs, defaultVerb }: Command, words: readonly string[]): readonly string[] {
  const known = Object.keys(verbs);
  if (known.every((verb) => verb === '') || words.includes('--help') || words.includes('-h')) return words;
  const valued = new Set(['-c', '--config']);
  for (const { options = {} } of Object.values(verbs))
    for (const [option, { value }] of Object.entries(options)) if (value !== undefined) valued.add(`--${option}`);
  let at = 0;
  while (at < words.length && words[at]?.startsWith('-')) at += valued.has(words[at] ?? '') ? 2 : 1;
  const word = words[at];
  if (word !== undefined && (known.includes(word) || !known.includes('')))
    return [word, ...words.slice(0, at), ...words.slice(at + 1)];
  if (known.includes('')) return words;
  if (defaultVerb === undefined) throw usageError(`${name}: missing command; it takes ${known.join(', ')}`);
  return [defaultVerb, ...words];
}

/** False where help was written. Throws SekishoError. */
function parsed(root: Parser, words: readonly string[]): boolean {
  let at: Parser = root;
  const remember = (parser: Parser) => {
    parser.exitOverride((error) => {
      at = parser;
      throw error;
    });
    for (const sub of parser.commands) remember(sub);
  };
  remember(root);
  try {
    root.parse(words, { from: 'user' });
    return true;
  } catch (error) {
    const { code = '' } = error as Partial<CommanderError>;
    if (code === 'commander.helpDisplayed') return false;
    if (!code.startsWith('commander.')) throw error;
    throw wrongUse(error as CommanderError, at);
  }
}

/** What commander found, with what would be right. */
function wrongUse(error: CommanderError, parser: Parser): SekishoError {
  const [first = '', hint = ''] = written(error.message.replace(/^error: /, '')).split('\n');
  const meant = /Did you mean (?:one of )?(.*)\?\)/.exec(hint)?.[1];
  const advice = meant === undefined ? '' : `; did you mean ${meant.replaceAll(/[^\s,]+/g, "'$&'")}?`;
  const path = [parser.parent?.parent?.name(), parser.parent?.name(), parser.name()].filter(Boolean).join(' ');
  const said = (text: string) =>
    usageError(`${path.replace(/^sekisho ?/, '')}${parser.parent ? ': ' : ''}${text}`, { cause: error });
  switch (error.code) {
    case 'commander.unknownCommand': {
      const verbs = parser.parent === null ? '' : `${advice === '' ? ';' : ''} it takes ${namesOf(parser)}`;
      return said(`${first}${advice}${verbs}`);
    }
    case 'commander.excessArguments': {
      const word = parser.args[parser.registeredArguments.length];
      const verbs = parser.commands.length > 0 ? `, and it takes ${namesOf(parser)}` : '';
      return said(`unexpected argument '${word}'; usage: ${path} ${parser.usage()}${verbs}`);
    }
    case 'commander.missingArgument':
      return said(`${first}; usage: ${path} ${parser.usage()}`);
    case 'commander.missingMandatoryOptionValue': {
      const missing = parser.options.filter(
        (option) => option.mandatory && parser.getOptionValue(option.attributeName()) === undefined,
      );
      return said(`missing required option ${missing.map(optionText).join(' and ')}`);
    }
    case 'commander.unknownOption':
      return said(`${first}${advice || takenBy(parser, first)}`);
    default:
      return said(first.replace(/\.$/, ''));
  }
}

/** Where an unknown option looks like none of this verb: which other verb takes it, or what this one does take. */
function takenBy(parser: Parser, message: string): string {
  const flag = /'(--[^']+)'/.exec(message)?.[1];
  const others = parser.parent?.parent
    ? parser.parent.commands.filter(({ options }) => options.some(({ long }) => long === flag))
    : [];
  const commands = others.map((other) => `\`sekisho ${parser.parent?.name()} ${other.name()}\``);
  if (commands.length > 0) return `; it belongs to ${commands.join(', ')}`;
  return `; it takes ${[...optionsOf(parser).map(({ long }) => long), '--help'].join(', ')}`;
}

function optionText({ flags, argChoices }: Option): string {
  return `${written(flags)}${argChoices ? ` (${argChoices.join(', ')})` : ''}`;
}

function namesOf({ commands }: Parser): string {
  return commands.map((each) => each.name()).join(', ');
}

function argumentText(argument: { readonly required: boolean; name(): string }): string {
  return argument.required ? argument.name() : `[${argument.name()}]`;
}

/** Values in capitals, without the angle brackets that commander wants. */
function written(text: string): string {
  return text.replaceAll(/[<>]/g, '');
}
