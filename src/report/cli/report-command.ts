import type { Command } from '../../commands/command.ts';

export const reportCommand: Command = {
  name: 'report',
  summary: 'the transparency report: what was done, how often, what was deleted',
  help: `Puts together what was done in these days (UTC, both included): what each plugin counted,
the lists in force and their grounds, changes of consent, what was read and changed
under audit, and what was deleted. It names no subscriber, no client and no name that
was looked up; counts of fewer than ten people are not told.

With --format html it is one page in Japanese and English without a script or anything
from elsewhere, made to be published. Making it lands in the audit log.`,
  examples: [
    ['sekisho report --from 2026-10-01 --to 2026-12-31', 'look at a quarter'],
    ['sekisho report --from 2026-10-01 --to 2026-12-31 --format html > report.html', 'publish it'],
  ],
  verbs: {
    '': {
      options: {
        from: { value: 'DATE', meaning: 'first day, YYYY-MM-DD', required: true },
        to: { value: 'DATE', meaning: 'last day, YYYY-MM-DD', required: true },
        format: { value: 'F', choices: ['text', 'html', 'json'], meaning: 'text unless given' },
      },
      trace: ['report.read'],
      load: async () => (await import('./report.ts')).report,
    },
  },
};
