/** What is said to somebody who uses a command in a way that it does not have. */
import { type Catalogue, errorsOf, type SekishoError } from '../errors/errors.ts';

export const COMMAND_ERRORS = {
  SEKISHO_USAGE: {
    status: 400,
    exitCode: 2,
    meaning: 'The command line is not valid.',
    remedy: '`sekisho help` lists the commands, `sekisho COMMAND --help` explains one.',
  },
} as const satisfies Catalogue;

const commandError = errorsOf(COMMAND_ERRORS);

/** To throw where an argument or an option cannot be used: exit code 2. */
export function usageError(message: string, options?: { readonly cause?: unknown }): SekishoError {
  return commandError('SEKISHO_USAGE', message, options);
}
