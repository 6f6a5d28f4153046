/** `dnssec` as the feature declares it. */
import type { Sections } from '../../feature/sections.ts';
import { dnssecSchema, loadDnssec } from './dnssec-section.ts';

export const DNSSEC_SECTIONS: Sections = {
  schemas: { dnssec: dnssecSchema },
  async load(raw, { found, source }) {
    const { dnssec, problems } = await loadDnssec(raw, found, source);
    return { values: { dnssec }, problems };
  },
};
