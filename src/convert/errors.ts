/** What keeps another resolver's configuration from being converted. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const CONVERT_ERRORS = {
  SEKISHO_CONVERT_FILE: {
    status: 422,
    exitCode: 1,
    meaning: "A file of another resolver's configuration cannot be read, or not be understood.",
    remedy: 'The message names file and line. `--from` says whose configuration it is, if that was guessed wrongly.',
  },
} as const satisfies Catalogue;

export const convertError = errorsOf(CONVERT_ERRORS);
