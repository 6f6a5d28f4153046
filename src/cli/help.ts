/** The help texts. */
import { COMMANDS, type Command } from './commands.ts';
import { OPTION_HELP } from './options.ts';
import { bold, type Terminal } from './terminal.ts';

/** `sekisho help`. */
export function overview(terminal: Terminal): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const list = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)} ${summary}\n`).join('');
  return `Sekisho, a DNS server that acts only on a legal ground

${bold('Usage', terminal)}
  sekisho COMMAND [--config F] [--json] [--help]

${bold('Commands', terminal)}
${list}  ${'help'.padEnd(width)} this text, or \`sekisho help COMMAND\`

${bold('Options of every command', terminal)}
${optionLines(['config', 'json', 'help'])}
${bold('First steps', terminal)}
  sekisho run                           start with the defaults, on 127.0.0.1:5353
  dig @127.0.0.1 -p 5353 example.com    ask it
  sekisho status                        see what it does
  sekisho check --config sekisho.yaml   look at a configuration before using it

Exit codes: 0 it worked, 1 it did not, 2 the command line was wrong.
`;
}

/** `sekisho COMMAND --help`. */
export function commandHelp(command: Command, terminal: Terminal): string {
  const { name, usage, summary, help, examples, options } = command;
  const blocks = [
    `sekisho ${name}: ${summary}\n`,
    `${bold('Usage', terminal)}\n  sekisho ${name}${usage ? ` ${usage}` : ''} [--config F] [--json] [--help]\n`,
    `${help}\n`,
  ];
  blocks.push(`${bold('Options', terminal)}\n${optionLines([...options, 'config', 'json', 'help'])}`);
  const lines = examples.map(([line, purpose]) => `  # ${purpose}\n  ${line}\n`);
  blocks.push(`${bold('Examples', terminal)}\n${lines.join('\n')}`);
  return blocks.join('\n');
}

function optionLines(names: readonly (keyof typeof OPTION_HELP)[]): string {
  const width = Math.max(...names.map((name) => OPTION_HELP[name][0].length));
  return names
    .map((name) => {
      const [option, text] = OPTION_HELP[name];
      return `  ${option.padEnd(width)} ${text.replaceAll('\n', `\n${' '.repeat(width + 3)}`)}\n`;
    })
    .join('');
}
