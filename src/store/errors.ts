/** What stores (store.ts), and those with an anchored chain (chain-guard.ts), have in common. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const STORE_ERRORS = {
  SEKISHO_LEDGER_SOUND: {
    status: 409,
    exitCode: 1,
    meaning: 'Damage was to be accepted, but nothing is wrong with the record.',
    remedy: '`sekisho consent verify` and `sekisho audit verify` say whether the records hold.',
  },
  SEKISHO_STORE_FAILED: {
    status: 503,
    exitCode: 1,
    meaning: 'Something that the server keeps (daily tallies, notices) could not be read or written. Serving goes on.',
    remedy:
      'The message carries the words of the engine: look for a full or failing disk and for permissions of the data folder.',
  },
} as const satisfies Catalogue;

export const storeError = errorsOf(STORE_ERRORS);
