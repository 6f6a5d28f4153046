/** What can be wrong with the certificates of encrypted transports. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const CERTIFICATE_ERRORS = {
  SEKISHO_CERTIFICATE_INVALID: {
    status: 422,
    exitCode: 1,
    meaning: 'A certificate or private key of `server.listen` cannot be read, or the two do not belong together.',
    remedy:
      'The message names the file and what is wrong with it. `sekisho check` shows names and ends of all certificates. What was in force before stays.',
  },
} as const satisfies Catalogue;

export const certificateError = errorsOf(CERTIFICATE_ERRORS);
