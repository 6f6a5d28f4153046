/**
 * The command line: which command, with which options, and how errors reach the person.
 */
import type { AdminApi } from '../commands/admin-api.ts';
import type { Command } from '../commands/command.ts';
import { usageError } from '../commands/errors.ts';
import { printable, type Terminal } from '../commands/terminal.ts';
import { errorBody } from '../errors/error-body.ts';
import { errorText, generalError, SekishoError } from '../errors/errors.ts';
import { version } from '../system/version.ts';
import { allCommands, COMMANDS } from './commands.ts';
import { type Line, readLine, refuseCommand, writeOverview } from './parser.ts';

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
    writeOverview(await allCommands(), terminal, 'err');
    return 2;
  }
  if (first === '--version' || first === '-V') {
    terminal.out(`${version()}\n`);
    return 0;
  }
  if (first === '--help' || first === '-h' || (first === 'help' && (rest[0] ?? '-').startsWith('-'))) {
    writeOverview(await allCommands(), terminal, 'out');
    return 0;
  }
  if (first.startsWith('-')) throw usageError(`a command comes first: sekisho COMMAND ${first} …`);
  if (first === 'help') return dispatch([...rest.filter((word) => !word.startsWith('-')), '--help'], terminal);
  // What the script of `sekisho completion` asks at each press of the key.
  if (first === 'complete' && rest[0] === '--') {
    const { complete } = await import('./completion.ts');
    return complete(rest.slice(1), await allCommands());
  }
  const line = readLine(await commandNamed(first, terminal), rest, terminal);
  if (line === undefined) return 0;
  const action = await line.declared.load();
  const shown = line.json ? { ...terminal, isForProgram: true } : terminal;
  return action({ ...line, server: serverOf(line, shown) }, shown);
}

/** The client is loaded when a command asks: not all do. */
function serverOf({ config }: Line, terminal: Terminal): AdminApi {
  const client = () => import('./admin-client.ts');
  return {
    get: async (path, options) => (await client()).sendJson('GET', path, undefined, config, terminal, options),
    send: async (method, path, content, options) =>
      (await client()).sendJson(method, path, content, config, terminal, options),
  };
}

async function commandNamed(name: string, terminal: Terminal): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return load === undefined ? refuseCommand(name, Object.keys(COMMANDS), terminal) : load();
}

function plainError(error: SekishoError): string {
  const details = error.details.map((detail) => `${printable(detail)}\n`).join('');
  const remedy = [printable(error.remedy), `(${error.code})`].filter((part) => part !== '').join(' ');
  return `${details}sekisho: ${printable(error.message)}\n  ${remedy}\n`;
}

function jsonError(error: SekishoError): string {
  return `${JSON.stringify(errorBody(error))}\n`;
}
