import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';
import { STATEMENTS } from '../../commands/statements.ts';

export const rulesCommand: Command = {
  name: 'rules',
  summary: 'every temporary rule, whoever brought it in, and the change log of all',
  help: `list (the default) shows every rule of the desk: those of \`sinkhole add\` and those that
\`diagnose --apply\` has put in force. What it is on, which plugin matches it, how many queries it
matched and limited, when it ends, on which ground, who approved it and who brought it in.
Ended ones are shown for another day.

changes: who did what to which rule, when and why, in one log. renew ID gives a rule another term,
on fresh evidence; lift ID takes it back at once, and --reason is kept.
What was stated with a rule may name an address: looks are in the audit log, with --reason.
Roles: operator or security; privacy may look.`,
  examples: [
    ['sekisho rules', 'what is in force'],
    ['sekisho rules changes', 'what was done'],
    ['sekisho rules lift m3 --reason "attack over, ticket 4711"', 'lift it now'],
  ],
  verbs: {
    list: {
      summary: 'what is in force, and what ended within a day (the default)',
      options: pick('reason'),
      trace: ['rule.read'],
      load: async () => (await import('./rules.ts')).rules,
    },
    renew: {
      summary: 'another term, on fresh evidence',
      arguments: 'ID',
      options: pick(...STATEMENTS),
      trace: ['rule.renew'],
      load: async () => (await import('./rules.ts')).rules,
    },
    lift: {
      summary: 'take one back at once',
      arguments: 'ID',
      options: pick('reason'),
      trace: ['rule.lift'],
      load: async () => (await import('./rules.ts')).rules,
    },
    changes: {
      summary: 'who did what, when and why',
      options: pick('reason'),
      trace: ['rule.read'],
      load: async () => (await import('./rules.ts')).rules,
    },
  },
  defaultVerb: 'list',
};
