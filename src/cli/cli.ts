/**
 * The command line: which command, with which options, and how errors reach the person.
 */
import { parseArgs } from 'node:util';
import { errorBody } from '../errors/api-schema.ts';
import { errorText, generalError, SekishoError } from '../errors/errors.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import { version } from '../system/version.ts';
import type { Args } from './args.ts';
import { COMMANDS, type Command } from './commands.ts';
import { cliError } from './errors.ts';
import { commandHelp, overview } from './help.ts';
import { type OptionName, takesValue } from './options.ts';
import { printable, type Terminal } from './terminal.ts';

/** Carry out the command line `argv` (without node and script). Resolves to the exit code: 0, 1, or 2 for wrong use. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    const known =
      error instanceof SekishoError ? error : generalError('SEKISHO_INTERNAL', errorText(error), { cause: error });
    terminal.err(argv.includes('--json') ? jsonError(known) : plainError(known));
    return known.exitCode;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined) {
    terminal.err(overview(terminal));
    return 2;
  }
  if (first === '--version' || first === '-V') {
    terminal.out(`${version()}\n`);
    return 0;
  }
  if (first === '--help' || first === '-h' || (first === 'help' && (rest[0] ?? '-').startsWith('-'))) {
    terminal.out(overview(terminal));
    return 0;
  }
  if (first.startsWith('-')) {
    throw usage(`a command comes first: sekisho COMMAND ${first} …`);
  }
  if (first === 'help') {
    terminal.out(commandHelp(commandNamed(rest[0] ?? ''), terminal));
    return 0;
  }
  const command = commandNamed(first);
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.out(commandHelp(command, terminal));
    return 0;
  }
  const args = readArgs(command, rest);
  const action = await command.load();
  return action(args, args.json ? { ...terminal, isForProgram: true } : terminal);
}

function commandNamed(name: string): Command {
  const command = COMMANDS.find((each) => each.name === name);
  if (command) return command;
  const close = didYouMean(
    name,
    COMMANDS.map((each) => each.name),
  );
  throw usage(`there is no command '${name}'${close === undefined ? '' : `; did you mean '${close}'?`}`);
}

function readArgs(command: Command, argv: readonly string[]): Args {
  const own = command.options.map((name) => [name, { type: takesValue(name) ? 'string' : 'boolean' }] as const);
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...(Object.fromEntries(own) as Record<string, { type: 'string' | 'boolean' }>),
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean', default: false },
      },
    });
    const [least, most] = command.words;
    if (positionals.length < least) throw usage(`usage: sekisho ${command.name} ${command.usage}`);
    if (positionals.length > most)
      throw usage(`'${positionals[most]}' is one word too many for sekisho ${command.name}`);
    const given = values as Partial<Record<OptionName | 'config', string | boolean>>;
    const options: Partial<Record<OptionName, string>> = {};
    const flags = new Set<OptionName>();
    for (const name of command.options) {
      const value = given[name];
      if (typeof value === 'string') options[name] = value;
      else if (value === true) flags.add(name);
    }
    return { positionals, config: values.config as string | undefined, json: values.json === true, options, flags };
  } catch (error) {
    if (error instanceof SekishoError) throw error;
    throw wrongOption(error, command);
  }
}

/** What parseArgs found, in fewer words. */
function wrongOption(error: unknown, command: Command): SekishoError {
  const text = errorText(error);
  const option = /'(?:-\w, )?(--?[^\s'=]+)/.exec(text)?.[1] ?? '';
  if ((error as { code?: string }).code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return usage(text.split('. ', 1)[0] ?? text);
  const known = ['--config', '--json', '--help', ...command.options.map((each) => `--${each}`)];
  const close = didYouMean(option, known);
  const advice = close === undefined ? `; it takes ${known.join(', ')}` : `; did you mean '${close}'?`;
  return usage(`sekisho ${command.name} does not know '${option}'${advice}`);
}

function usage(message: string): SekishoError {
  return cliError('SEKISHO_USAGE', message);
}

function plainError(error: SekishoError): string {
  const details = error.details.map((detail) => `${printable(detail)}\n`).join('');
  const remedy = [printable(error.remedy), `(${error.code})`].filter((part) => part !== '').join(' ');
  return `${details}sekisho: ${printable(error.message)}\n  ${remedy}\n`;
}

function jsonError(error: SekishoError): string {
  return `${JSON.stringify(errorBody(error))}\n`;
}
