/**
 * The command line: which command, with which options, and how errors reach the person.
 */
import type { AdminApi } from '../commands/admin-api.ts';
import { usageError } from '../commands/errors.ts';
import { type Line, readLine, refuseCommand, writeOverview } from '../commands/parser.ts';
import { printable, type Terminal } from '../commands/terminal.ts';
import { errorBody } from '../errors/error-body.ts';
import { errorText, generalError, SekishoError } from '../errors/errors.ts';
import { version } from '../system/version.ts';
import { allCommands, findCommand } from './commands.ts';

export interface Program {
  /** URL of a module with the features that this program carries (FEATURES); src/features.ts unless given. */
  readonly featureList?: string;
  /** Memory of a clock that a test turns (time/turned-clock.ts): `run` goes by it in every thread. */
  readonly turnedClock?: SharedArrayBuffer;
}

/** Carry out the command line `argv` (without node and script). Resolves to the exit code: 0, 1, or 2 for wrong use. */
export async function main(argv: readonly string[], terminal: Terminal, program: Program = {}): Promise<number> {
  try {
    return await dispatch(argv, terminal, program);
  } catch (error) {
    const known =
      error instanceof SekishoError ? error : generalError('SEKISHO_INTERNAL', errorText(error), { cause: error });
    terminal.err(argv.includes('--json') ? jsonError(known) : plainError(known));
    return known.exitCode;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal, program: Program): Promise<number> {
  const [first, ...rest] = argv;
  const places = { ...program, configured: { path: configNamed(rest), workFolder: terminal.workFolder } };
  if (first === undefined) {
    writeOverview(await allCommands(places), terminal, 'err');
    return 2;
  }
  if (first === '--version' || first === '-V') {
    terminal.out(`${version()}\n`);
    return 0;
  }
  if (first === '--help' || first === '-h' || (first === 'help' && (rest[0] ?? '-').startsWith('-'))) {
    writeOverview(await allCommands(places), terminal, 'out');
    return 0;
  }
  if (first.startsWith('-')) throw usageError(`a command comes first: sekisho COMMAND ${first} …`);
  if (first === 'help') return dispatch([...rest.filter((word) => !word.startsWith('-')), '--help'], terminal, program);
  // What the script of `sekisho completion` asks at each press of the key.
  if (first === 'complete' && rest[0] === '--') {
    const { complete } = await import('./completion.ts');
    return complete(rest.slice(1), await allCommands(places));
  }
  const command = await findCommand(first, places);
  if (!command) {
    const known = await allCommands(places);
    const names = known.map(({ name }) => name);
    return refuseCommand(first, names, terminal);
  }
  const line = readLine(command, rest, terminal);
  if (line === undefined) return 0;
  const action = await line.declared.load();
  const shown = line.json ? { ...terminal, isForProgram: true } : terminal;
  const configuration = async () =>
    (await import('./configuration.ts')).configuration(line.config, terminal.workFolder, program.featureList);
  return action({ ...line, ...program, server: serverOf(line, shown), configuration }, shown);
}

/** What stands behind `--config`, before the line is read: plugins of that configuration may bring the command. */
function configNamed(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === '--config' || word === '-c');
  return at >= 0 ? words[at + 1] : words.find((word) => word.startsWith('--config='))?.slice('--config='.length);
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

function plainError(error: SekishoError): string {
  const details = error.details.map((detail) => `${printable(detail)}\n`).join('');
  const remedy = [printable(error.remedy), `(${error.code})`].filter((part) => part !== '').join(' ');
  return `${details}sekisho: ${printable(error.message)}\n  ${remedy}\n`;
}

function jsonError(error: SekishoError): string {
  return `${JSON.stringify(errorBody(error))}\n`;
}
