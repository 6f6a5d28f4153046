import type { Command } from '../../commands/command.ts';

export const auditCommand: Command = {
  name: 'audit',
  summary: 'check that nothing in the audit log was changed or taken away',
  help: `Every entry of the audit log carries the hash of the one before. verify recomputes the
chain from the first entry to the last, names the first that does not fit, and compares
the end with what was noted of it outside the file.

Somebody who can write everything can also compute a whole new chain. So note the last
line, SEQUENCE:HASH, somewhere else from time to time (the server's log has it for
every entry), and give it here: the chain must still lead through it.

Where the log was cut, rewritten, removed or replaced, nobody reads personal data until
a person of the role privacy has looked into it: acknowledge records why it goes on.`,
  examples: [
    ['sekisho audit verify', 'recompute the chain'],
    ['sekisho audit verify 4711:9f3c…', 'and see that it still contains what was noted'],
    ['sekisho audit acknowledge --reason "disk replaced, ticket 815"', 'go on after damage'],
  ],
  verbs: {
    verify: {
      summary: 'recompute the chain; with SEQUENCE:HASH it must lead through that entry',
      arguments: '[SEQUENCE:HASH]',
      trace: { none: 'whether the chain holds and how long it is, and nothing of what stands in it' },
      load: async () => (await import('./audit.ts')).auditVerify,
    },
    acknowledge: {
      summary: 'go on after damage; recorded',
      options: { reason: { value: 'TEXT', meaning: 'why, and what was found out; recorded', required: true } },
      trace: ['audit.acknowledge'],
      load: async () => (await import('./audit.ts')).auditAcknowledge,
    },
  },
};
