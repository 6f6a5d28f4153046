import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

const CREATE = {
  arguments: 'DIR',
  options: {
    ...pick('reason'),
    'dry-run': { meaning: 'list what would be copied, and write nothing' },
  },
  trace: ['backup.create'],
} as const;

export const backupCommand: Command = {
  name: 'backup',
  summary: 'copy everything that is kept into a folder, while the server runs; verify such a copy',
  help: `Copies the data folder into DIR, which must not exist yet: SQLite stores as consistent snapshots,
everything else as it lies, with a manifest that holds the hash of every file. The server may run, and
answers meanwhile; that the backup was made is in its audit log first. It runs as a user that may read
the data folder. DIR is for that user alone: it holds whatever is known of subscribers, and the admin token.

verify reads a backup again: every hash, every database. sekisho restore puts one back.
What retention deletes in the server stays in backups: delete those, too, when their time is over.
A fleet's PostgreSQL is not in it: use pg_dump for that.`,
  examples: [
    ['sekisho backup /var/backups/sekisho-2026-11-28 --reason "nightly backup"', 'everything, consistent'],
    ['sekisho backup verify /var/backups/sekisho-2026-11-28', 'is it whole?'],
  ],
  verbs: {
    '': { ...CREATE, summary: 'the same as create', load: async () => (await import('./backup.ts')).backup },
    create: {
      ...CREATE,
      summary: 'make a backup (needs --reason)',
      load: async () => (await import('./backup.ts')).backup,
    },
    verify: {
      summary: 'read a backup again: every hash, every database',
      arguments: 'DIR',
      trace: { none: 'reads a folder of files and asks no server' },
      load: async () => (await import('./backup.ts')).verify,
    },
    restore: {
      summary: 'the same as sekisho restore',
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
