/** What people see of the audit log, as a feature of the control plane. The log itself is opened before all features. */
import { declareFeature } from '../feature/feature.ts';

export const AUDIT = declareFeature({
  name: 'audit',
  commands: { audit: async () => (await import('./cli/audit-command.ts')).auditCommand },
  open: async (context) => (await import('./open.ts')).openAuditDesk(context),
});
