/** What can be wrong with a configuration as a whole; each problem in it has words of its own. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const SETTINGS_ERRORS = {
  SEKISHO_CONFIG_INVALID: {
    status: 422,
    exitCode: 1,
    meaning: 'The configuration has at least one problem; each is listed with file, line and column.',
    remedy: 'Correct the lines named; `sekisho check` looks at them again without starting anything.',
  },
} as const satisfies Catalogue;

export const settingsError = errorsOf(SETTINGS_ERRORS);
