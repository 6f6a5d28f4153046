import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

export const restoreCommand: Command = {
  name: 'restore',
  summary: 'put a backup back in place of the data folder',
  help: `Verifies the backup, puts it in the place of the data folder, and keeps the former one beside it
(….before-restore-…). No server may run on the folder.

What comes back is older than what people were told since. So after the start nobody is inspected and no
personal data is read, until somebody of the role privacy has accepted it: import the withdrawals that
the backup lacks, then \`sekisho audit acknowledge\` and \`sekisho consent accept-damage\`. Temporary rules
that were in force then are lifted; add again what has to act.`,
  examples: [
    ['sekisho restore /var/backups/sekisho-2026-11-28 --dry-run', 'what would happen'],
    ['sekisho restore /var/backups/sekisho-2026-11-28 --reason "disk replaced, ticket 9"', 'put it back'],
  ],
  verbs: {
    '': {
      arguments: 'DIR',
      options: {
        ...pick('reason'),
        'dry-run': { meaning: 'verify the backup, say what would happen, and change nothing' },
      },
      trace: { none: 'no server runs; the restored audit log says so, and has to be acknowledged' },
      load: async () => (await import('./restore.ts')).restore,
    },
  },
};
