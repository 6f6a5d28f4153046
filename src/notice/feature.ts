/** The notice page and the opt-out portal, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import type { NoticeSections } from './open.ts';

export const NOTICE = declareFeature<NoticeSections>({
  name: 'notice',
  sections: async () => (await import('./section/sections.ts')).NOTICE_SECTIONS,
  commands: { notice: async () => (await import('./cli/notice-command.ts')).noticeCommand },
  open: async (context) => (await import('./open.ts')).openNotice(context),
});
