/** `notice` as the feature declares it. */
import type { Sections } from '../../feature/sections.ts';
import { loadNotice } from './load-notice.ts';
import { noticeSchema } from './notice-section.ts';

export const NOTICE_SECTIONS: Sections = {
  schemas: { notice: noticeSchema },
  async load(raw, { found, source, server, admin }) {
    const { notice, problems, dangers } = await loadNotice(raw, { server, admin }, found, source);
    return { values: notice && { notice }, problems, dangers };
  },
};
