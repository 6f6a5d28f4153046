/** What keeps the process from serving. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const PROCESS_ERRORS = {
  SEKISHO_RESTART_DUE: {
    status: 503,
    exitCode: 1,
    meaning: 'The program on disk has changed since this process started, so no further worker is started.',
    remedy: 'Restart the server: `systemctl restart sekisho`. Until then it serves with the workers that it has.',
  },
  SEKISHO_WORKERS_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'No worker thread started, so no query can be answered.',
    remedy: "The log holds the worker's own error just before this one.",
  },
} as const satisfies Catalogue;

export const processError = errorsOf(PROCESS_ERRORS);
