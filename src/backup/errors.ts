/** What can stand against a backup and its return. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const BACKUP_ERRORS = {
  SEKISHO_BACKUP_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'The backup could not be made; what was written of it was removed.',
    remedy: 'The message says why: look for space and permissions, and name a folder that does not exist yet.',
  },
  SEKISHO_BACKUP_UNREADABLE: {
    status: 422,
    exitCode: 1,
    meaning: 'The folder is no backup of this program, or its manifest cannot be read.',
    remedy: 'Name the folder that `sekisho backup` made, the one with `manifest.json` in it.',
  },
  SEKISHO_BACKUP_DAMAGED: {
    status: 422,
    exitCode: 1,
    meaning: 'The backup is not what it was when it was made; nothing was restored.',
    remedy: 'Use another copy. The message names every file that is missing or has changed.',
  },
  SEKISHO_RESTORE_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'The backup could not be put in place; the data folder is as it was before.',
    remedy: 'The message says why: look for space and permissions beside the data folder.',
  },
} as const satisfies Catalogue;

export const backupError = errorsOf(BACKUP_ERRORS);
