/** Backup and restore of everything that is kept, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { BACKUP_ERRORS } from './errors.ts';

export const BACKUP = declareFeature<object>({
  name: 'backup',
  errors: BACKUP_ERRORS,
  commands: {
    backup: async () => (await import('./cli/backup-command.ts')).backupCommand,
    restore: async () => (await import('./cli/restore-command.ts')).restoreCommand,
  },
  open: async ({ audit, server: { dataFolder }, version }) => {
    const { backupRoutes } = await import('./routes.ts');
    return { desk: undefined, routes: (app) => backupRoutes(app, { audit, dataFolder, version }) };
  },
});
