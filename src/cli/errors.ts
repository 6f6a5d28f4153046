/** What the command line itself has to say. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const CLI_ERRORS = {
  SEKISHO_SERVER_UNREACHABLE: {
    status: 503,
    exitCode: 1,
    meaning: 'No server answers at the address of the admin API.',
    remedy: 'Start the server with `sekisho run`, or name its configuration with `--config`.',
  },
  SEKISHO_SERVER_LOST: {
    status: 503,
    exitCode: 1,
    meaning:
      'The server accepted a command and exited, restarted or hung before it answered; the outcome of the command is unknown.',
    remedy: 'Look at the log and at `sekisho status` before giving the command again: it may have been carried out.',
  },
  SEKISHO_SERVER_ANSWER: {
    status: 502,
    exitCode: 1,
    meaning: 'The program that answers at the address of the admin API is not Sekisho, or is another version of it.',
    remedy: 'Check that `admin.listen` is the port of Sekisho, and that both have the same version.',
  },
} as const satisfies Catalogue;

export const cliError = errorsOf(CLI_ERRORS);
