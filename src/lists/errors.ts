/** What can go wrong with a list. */
import { type Catalogue, errorsOf, type SekishoError } from '../errors/errors.ts';

export const LIST_ERRORS = {
  SEKISHO_LIST_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'The configuration in force has no list of that name.',
    remedy: '`sekisho lists` shows them.',
  },
  SEKISHO_LIST_FAILED: {
    status: 502,
    exitCode: 1,
    meaning: 'A list could not be fetched, read or compiled; the current version stays in force.',
    remedy: 'The message says why; `sekisho lists status NAME` shows what is in force meanwhile.',
  },
  SEKISHO_LIST_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'The guard refused a new version of a list; it is held back and the current version stays in force.',
    remedy: 'Look at the findings. `sekisho lists reload NAME --override --approver WHO --reason WHY` accepts it.',
  },
  SEKISHO_LIST_NOTHING_HELD: {
    status: 409,
    exitCode: 1,
    meaning: 'There is no version to override: the guard holds back none.',
    remedy: '`sekisho lists reload NAME` fetches a new one.',
  },
  SEKISHO_LIST_NO_PREVIOUS: {
    status: 409,
    exitCode: 1,
    meaning: 'There is no previous version to roll back to.',
    remedy: '`sekisho lists status NAME` shows which versions are kept.',
  },
} as const satisfies Catalogue;

export const listError = errorsOf(LIST_ERRORS);

/** The least to write, as YAML on one line, so that there is a list. */
export const TO_CONFIGURE_LISTS =
  'lists: [{ name: c2-feed, category: c2, tier: confirmed, format: domains, file: ./c2.txt }]';

/** In words, where the configuration has no list at all. */
export const NO_LISTS = `no list is configured; add \`${TO_CONFIGURE_LISTS}\` in the configuration, with your own file, and reload`;

export function listUnknown(name: string, known: readonly string[]): SekishoError {
  const message = known.length === 0 ? NO_LISTS : `the lists are: ${known.join(', ')}`;
  return listError('SEKISHO_LIST_UNKNOWN', `there is no list '${name}'; ${message}`);
}
