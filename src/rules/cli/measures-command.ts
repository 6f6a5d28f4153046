import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

export const measuresCommand: Command = {
  name: 'measures',
  summary: 'show what diagnoses have put in force, and lift it',
  help: `list (the default) shows what \`diagnose --apply\` has put in force: what it is on, how many
queries it matched and limited, the rate now and the rate below which it lifts itself,
when it ends, on which ground, who approved it. Ended ones are shown for another day.

lift ID takes one back at once; --reason is kept. changes: who did what, when and why.
What a measure is on may be somebody's address: looks are in the audit log, with --reason.
Roles: operator or security; privacy may look.`,
  examples: [
    ['sekisho measures', 'what is in force'],
    ['sekisho measures lift m3 --reason "hits a customer, ticket 4711"', 'lift it now'],
  ],
  verbs: {
    list: {
      summary: 'what is in force, and what ended within a day (the default)',
      options: pick('reason'),
      trace: ['measure.read'],
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
