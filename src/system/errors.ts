/** What the data folder can refuse. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const SYSTEM_ERRORS = {
  SEKISHO_DATA_UNWRITABLE: {
    status: 500,
    exitCode: 1,
    meaning: 'The folder `server.data` cannot be made or written to.',
    remedy: 'Give the folder to the user that runs the server, or name another one.',
  },
  SEKISHO_DATA_OPEN: {
    status: 500,
    exitCode: 1,
    meaning: 'Others than the server can write to `server.data`, or it is open to them and cannot be closed.',
    remedy: 'Look at what lies in the folder, then `chown` it to the user that runs the server and `chmod 700` it.',
  },
  SEKISHO_DATA_IN_USE: {
    status: 500,
    exitCode: 1,
    meaning: 'Another process runs on the same `server.data`; the message names it.',
    remedy: 'Stop the other process, or give each server a folder of its own.',
  },
} as const satisfies Catalogue;

export const systemError = errorsOf(SYSTEM_ERRORS);
