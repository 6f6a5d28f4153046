/** The audit log's damage, for monitoring, status and the person who accepts it. */
import type { FeatureContext, Opened } from '../feature/feature.ts';
import { auditRoutes } from './routes.ts';

export function openAuditDesk({ audit, metrics }: FeatureContext<unknown>): Opened<undefined> {
  const holds = metrics.gauge(
    'sekisho_audit_log_holds',
    '0 where the audit log was found damaged and nobody has acknowledged it: reads of personal data are refused.',
  );
  return {
    desk: undefined,
    routes: (app) => auditRoutes(app, audit),
    measure: () => {
      metrics.values[holds] = audit.damage === undefined ? 1 : 0;
    },
    warnings: () =>
      audit.damage === undefined
        ? []
        : [`the audit log is damaged, personal data cannot be read (sekisho audit acknowledge): ${audit.damage}`],
  };
}
