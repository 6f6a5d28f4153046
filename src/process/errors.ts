/** What keeps the process from serving. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const PROCESS_ERRORS = {
  SEKISHO_WORKERS_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'No worker thread came up, so that no query could be answered.',
    remedy: "The log holds the worker's own error just before this one.",
  },
} as const satisfies Catalogue;

export const processError = errorsOf(PROCESS_ERRORS);
