/** What stores with an anchored chain (chain-guard.ts) have in common. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const STORE_ERRORS = {
  SEKISHO_LEDGER_SOUND: {
    status: 409,
    exitCode: 1,
    meaning: 'Damage was to be accepted, but nothing is wrong with the record.',
    remedy: '`sekisho consent verify` and `sekisho audit verify` say whether the records hold.',
  },
} as const satisfies Catalogue;

export const storeError = errorsOf(STORE_ERRORS);
