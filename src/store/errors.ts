/** What stores (store.ts), and those with an anchored chain (chain-guard.ts), have in common. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const STORE_ERRORS = {
  SEKISHO_LEDGER_SOUND: {
    status: 409,
    exitCode: 1,
    meaning: 'There is no damage to accept: the record is intact.',
    remedy: '`sekisho consent verify` and `sekisho audit verify` say whether the records hold.',
  },
  SEKISHO_STORE_FAILED: {
    status: 503,
    exitCode: 1,
    meaning: 'Stored data (daily tallies, notices) could not be read or written. The server keeps serving.',
    remedy:
      'The message carries the words of the engine: look for a full or failing disk and for permissions of the data folder.',
  },
} as const satisfies Catalogue;

export const storeError = errorsOf(STORE_ERRORS);
