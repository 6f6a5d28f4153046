/** What can stand against knowing subscribers: their ranges, leases and consent. */
import { type Catalogue, errorsOf, type SekishoError } from '../errors/errors.ts';

export const SUBSCRIBERS_ERRORS = {
  SEKISHO_NO_SUBSCRIBERS: {
    status: 409,
    exitCode: 1,
    meaning: 'The configuration in force has no `subscribers`, so that nobody is known and nobody is inspected.',
    remedy: 'docs/subscribers.md shows every way to say who is behind an address; `sekisho check` looks at the lines.',
  },
  SEKISHO_CONSENT_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'A change of consent cannot be recorded as it was asked for; nothing was changed.',
    remedy: 'The message says why; `sekisho consent --help` shows what can be asked for.',
  },
  SEKISHO_LEDGER_UNUSABLE: {
    status: 503,
    exitCode: 1,
    meaning: 'The consent ledger cannot be opened: answers are served, and nobody is inspected.',
    remedy: 'Look at the file and its folder, and start again. Put no older copy in its place: it lacks withdrawals.',
  },
  SEKISHO_LEDGER_FAILED: {
    status: 503,
    exitCode: 1,
    meaning:
      'A change of consent could not be written to the ledger; a withdrawal is still in effect until the next start.',
    remedy: 'Free disk space or repair the file, then try again.',
  },
  SEKISHO_LEASE_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'A lease over the API is outside the networks that leases may be written in; nothing was changed.',
    remedy: 'Compare the address with `subscribers.provisioning.prefixes`; without that key it is `server.access`.',
  },
  SEKISHO_RANGES_UNREADABLE: {
    status: 422,
    exitCode: 1,
    meaning:
      'Some rows of the static ranges file contain an address but cannot be read, so it is unknown whose address it is.',
    remedy:
      'Correct the rows that `sekisho check` names; or let nobody be known behind those addresses, with `subscribers.unreadable-rows: hide`.',
  },
  SEKISHO_TOO_MANY_RANGES: {
    status: 422,
    exitCode: 1,
    meaning: 'The static ranges file has more rows than one server can hold; none of them is in force.',
    remedy: 'Write neighbouring addresses of one subscriber or group as one network.',
  },
  SEKISHO_NO_TEXT: {
    status: 422,
    exitCode: 1,
    meaning: 'A file that should contain rows of text is a spreadsheet, an archive or similar.',
    remedy: 'Save it as CSV, in UTF-8.',
  },
} as const satisfies Catalogue;

export const subscribersError = errorsOf(SUBSCRIBERS_ERRORS);

/** Without terms nobody consents. */
export const NO_TERMS =
  'no terms are in force; add `terms: "2026-04"`, the version of your contract terms, below subscribers in the configuration, and reload';

/** The least to write, as YAML on one line, so that somebody is known and can consent. */
export const TO_CONFIGURE_SUBSCRIBERS = 'subscribers: { ranges: ./subscribers.csv, terms: "2026-04" }';

export function noSubscribers(): SekishoError {
  const message = `the section subscribers is not configured; add \`${TO_CONFIGURE_SUBSCRIBERS}\` in the configuration, with your own file and terms, and reload`;
  return subscribersError('SEKISHO_NO_SUBSCRIBERS', message);
}
