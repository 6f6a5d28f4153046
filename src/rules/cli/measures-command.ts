import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';
import { STATEMENTS } from '../../commands/statements.ts';

export const measuresCommand: Command = {
  name: 'measures',
  summary: 'show what diagnoses have put in force, renew it, lift it',
  help: `list (the default) shows what \`diagnose --apply\` has put in force: what it is on, how many
queries it matched and limited, the rate now and the rate below which it is lifted,
when it ends, on which ground, who approved it. Ended ones are shown for another day.

lift ID takes one back at once; --reason is kept. renew ID gives one that is in force another
term, on fresh evidence. changes: who did what, when and why. \`sekisho rules\` shows measures
and all other temporary rules together.
What a measure is on may be somebody's address: looks are in the audit log, with --reason.
Roles: operator or security; privacy may look.`,
  examples: [
    ['sekisho measures', 'what is in force'],
    [
      'sekisho measures renew m3 --evidence "graph of 15:10, still 9 kq/s" --approver "shift lead" --expires 2h',
      'another term',
    ],
    ['sekisho measures lift m3 --reason "hits a customer, ticket 4711"', 'lift it now'],
  ],
  verbs: {
    list: {
      summary: 'what is in force, and what ended within a day (the default)',
      options: pick('reason'),
      trace: ['measure.read'],
      load: async () => (await import('./measures.ts')).measures,
    },
    renew: {
      summary: 'another term for one that is in force, on fresh evidence',
      arguments: 'ID',
      options: pick(...STATEMENTS),
      trace: ['measure.renew'],
      load: async () => (await import('./measures.ts')).measures,
    },
    lift: {
      summary: 'take one back at once',
      arguments: 'ID',
      options: pick('reason'),
      trace: ['measure.lift'],
      load: async () => (await import('./measures.ts')).measures,
    },
    changes: {
      summary: 'who did what, when and why',
      options: pick('reason'),
      trace: ['measure.read'],
      load: async () => (await import('./measures.ts')).measures,
    },
  },
  defaultVerb: 'list',
};
