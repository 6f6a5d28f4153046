import type { Command } from '../../commands/command.ts';

export const fleetCommand: Command = {
  name: 'fleet',
  summary: 'the nodes that keep one promise together, on PostgreSQL',
  help: `A node of a fleet inspects only while its fence is up: while it has read, within the last
second or so, all that any node recorded in PostgreSQL. An opt-out is acknowledged when it
acts on every node, or that node's fence has run out. Without PostgreSQL every node answers
DNS, and nobody is inspected.

init makes the tables, or brings them forward to this version; it lets this node join; and
it makes the consent ledgers of node and fleet agree: a first node brings its ledger along,
one that remembers more than a restored database gives it back, and one with a ledger of
its own has its withdrawals recorded and takes the fleet's. Run again, it finds nothing to
do. --dry-run tells what it would do.

forget takes a node out that will not come back. One that stopped in good order keeps its
place and nobody waits for it, so this is for names that are to be free again, and for
objections of a node that is lost. Roles of both: operator, privacy.`,
  examples: [
    ['sekisho fleet', 'how do the nodes stand?'],
    ['sekisho fleet init --dry-run --reason "first node"', 'what would be done?'],
    ['sekisho fleet init --reason "first node, ticket 4711"', 'make the tables and join'],
    ['sekisho fleet forget osaka-2 --reason "scrapped, ticket 4712"', 'its name is free again'],
  ],
  verbs: {
    status: {
      summary: 'how the nodes stand (the default)',
      trace: { none: 'how the nodes stand: no name, no address, no subscriber' },
      load: async () => (await import('./fleet.ts')).fleet,
    },
    init: {
      summary: 'make the tables, join, make the ledgers agree (needs --reason)',
      options: {
        reason: { value: 'TEXT', meaning: 'why; recorded', required: true },
        'dry-run': { meaning: 'change nothing, tell what would be done' },
      },
      trace: ['fleet.init'],
      load: async () => (await import('./fleet.ts')).fleet,
    },
    forget: {
      summary: 'take a node out that will not come back (needs --reason)',
      arguments: 'NODE',
      options: { reason: { value: 'TEXT', meaning: 'why; recorded', required: true } },
      trace: ['fleet.forget'],
      load: async () => (await import('./fleet.ts')).fleet,
    },
  },
  defaultVerb: 'status',
};
