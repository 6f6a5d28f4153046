/** What people see of the audit log, as a feature of the control plane. The log itself is opened before all features. */
import { declareFeature } from '../feature/feature.ts';

export const AUDIT = declareFeature({
  name: 'audit',
  open: ({ audit, metrics }) => {
    const holds = metrics.gauge(
      'sekisho_audit_log_holds',
      '0 where the audit log was found damaged and nobody has acknowledged it: reads of personal data are refused.',
    );
    return {
      desk: undefined,
      measure: () => {
        metrics.values[holds] = audit.damage === undefined ? 1 : 0;
      },
      warnings: () =>
        audit.damage === undefined
          ? []
          : [`the audit log is damaged, personal data cannot be read (sekisho audit acknowledge): ${audit.damage}`],
    };
  },
});
