/** What the history and the diagnosis refuse. */
import { type Catalogue, errorsOf } from '../../src/contract/plugin.ts';

export const HISTORY_ERRORS = {
  SEKISHO_HISTORY_CLOSED: {
    status: 409,
    exitCode: 1,
    meaning: 'The query-rate history may be read only while an overload is open.',
    remedy: 'Declare one with `--reason "…"`: it is recorded with your name and ends by itself.',
  },
  SEKISHO_HISTORY_EMPTY: {
    status: 404,
    exitCode: 1,
    meaning: 'There is no data for the requested time.',
    remedy: 'Wait for the first ten seconds of traffic, or ask for a window inside the retention.',
  },
  SEKISHO_HISTORY_UNWRITABLE: {
    status: 503,
    exitCode: 1,
    meaning: 'The history cannot be stored on disk, so nothing can be imported into it.',
    remedy: 'Look for "THE HISTORY" in the log, mend the disk, and start the import again.',
  },
  SEKISHO_HISTORY_IMPORT_INVALID: {
    status: 400,
    exitCode: 1,
    meaning: 'A line of the file is not the figures of an hour.',
    remedy: 'Correct the lines that are named; nothing was imported. `sekisho history import --help` shows the format.',
  },
  SEKISHO_HISTORY_IMPORT_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'There is no import with that id.',
    remedy: '`sekisho history imports` lists them.',
  },
  SEKISHO_DIAGNOSIS_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'The diagnosis no longer exists, or has no such proposal.',
    remedy: 'Run `sekisho diagnose` again: a proposal can be put in force for half an hour.',
  },
} as const satisfies Catalogue;

export const historyError = errorsOf(HISTORY_ERRORS);
