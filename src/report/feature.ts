/** The transparency report, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import type { LentReport, ReportSections } from './open.ts';

export const REPORT = declareFeature<ReportSections, LentReport>({
  name: 'report',
  commands: { report: async () => (await import('./cli/report-command.ts')).reportCommand },
  open: async (context) => (await import('./open.ts')).openReport(context),
});
