/** Notices to subscribers whose terminals are infected, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { TERMINALS_DELETED } from './deleted.ts';
import { TERMINALS_ERRORS } from './errors.ts';
import type { LentTerminals } from './open.ts';
import type { TerminalsSections } from './terminals-config.ts';

export const TERMINALS = declareFeature<TerminalsSections, LentTerminals>({
  name: 'terminals',
  errors: TERMINALS_ERRORS,
  deletions: [TERMINALS_DELETED],
  status: async () => (await import('./status.ts')).TERMINALS_STATUS,
  sections: async () => (await import('./section/terminals-section.ts')).TERMINALS_SECTIONS,
  commands: { terminals: async () => (await import('./cli/terminals-command.ts')).terminalsCommand },
  open: async (context) => (await import('./open.ts')).openTerminals(context),
});
