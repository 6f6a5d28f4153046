import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

const ABOUT = {
  ...pick('reason'),
  to: { value: 'WHO', meaning: 'which operator gets it; recorded', required: true },
  expires: { value: 'D', meaning: 'until when it may be used: 7d, 12h; recorded', required: true },
} as const;

export const shareCommand: Command = {
  name: 'share',
  summary: 'statistics and indicators for other operators, and theirs as a list',
  help: `statistics writes numbers by the day, in JSON: no name, no address, nothing below ten, and nothing that
names a rule. indicators writes names as STIX 2.1 (or JSON): those of a list of your own (--list), or
those under attack now. Neither holds what any subscriber asked for. What was left out is in the
file, and why; recipient, reason and end are in the audit log first.

import reads indicators of another operator (STIX 2.1, or the JSON of this command) into a file of names
with its provenance, and shows the lines that make it a list of the tier suspected: such a
list leads to notices, and never blocks. Roles: security; privacy may share statistics.`,
  examples: [
    [
      'sekisho share statistics --from 2026-11-01 --until 2026-11-30 --to "ISP B" --expires 30d --reason "joint planning, ticket 9"',
      'a month in numbers',
    ],
    [
      'sekisho share indicators --list own-c2 --to "ICT-ISAC" --expires 7d --reason "new C&C names" > c2.stix.json',
      'an own list',
    ],
    ['sekisho share import c2.stix.json --from-operator "ISP B" --output ./isp-b.txt', 'theirs, as a suspected list'],
  ],
  verbs: {
    statistics: {
      summary: 'numbers by the day, in JSON',
      options: {
        ...ABOUT,
        from: { value: 'DATE', meaning: 'first day, YYYY-MM-DD', required: true },
        until: { value: 'DATE', meaning: 'last day, YYYY-MM-DD', required: true },
      },
      trace: ['share.statistics'],
      load: async () => (await import('./share.ts')).share,
    },
    indicators: {
      summary: 'names of an own list, or under attack, as STIX 2.1',
      options: {
        ...ABOUT,
        list: { value: 'NAME', meaning: 'an own list, from a file; without it names under attack' },
        format: { value: 'F', choices: ['stix', 'json'], meaning: 'stix unless given' },
      },
      trace: ['share.indicators'],
      load: async () => (await import('./share.ts')).share,
    },
    import: {
      summary: 'indicators of another operator into a file of names',
      arguments: 'FILE',
      options: {
        'from-operator': { value: 'WHO', meaning: 'whose they are', required: true },
        output: { value: 'F', meaning: 'the file of names to write', required: true },
      },
      trace: { none: 'writes a file; when it is a list, the list desk records it' },
      load: async () => (await import('./share.ts')).share,
    },
  },
};
