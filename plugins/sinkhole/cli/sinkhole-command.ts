import { type Command, pick, STATEMENTS } from '../../../src/contract/commands.ts';

const DRAFT = pick('ground', ...STATEMENTS, 'subtree', 'dry-run');

export const sinkholeCommand: Command = {
  name: 'sinkhole',
  summary: 'answer discard addresses for names under attack',
  help: `Has the running server answer a discard address (通信破棄用のIPアドレス) for a name that
an attack looks up, so that other names on the same server stay reachable.

  add NAME      needs its ground in full: --ground, --effect, --evidence, --approver and
                --expires; for necessity also --nothing-milder; for legitimate-business
                --purpose, --necessity, --proportionality, --approver and --review.
                All that is missing is named at once. A rule of a dry run is put in force
                by adding it again without --dry-run.
  preview NAME  with the same options: what would be refused, and what is known of the
                name's rate. Nothing is changed.
  list          rules with their state, rates (queries a second: now, baseline, peak),
                when they end, on which ground, and which could be lifted.
  renew NAME    another term; needs --evidence that is new, --approver and --expires
                (legitimate-business: --necessity, --approver, --review).
  remove NAME   lifts the rule; --reason is kept.
  changes       who did what, when, on which ground; the latest first.

list, changes and preview show what was stated, which may name somebody's address: that
somebody looked is in the audit log, with --reason. When a command returns, every worker
acts on it, and it is on the disk. Rules survive a restart and end by themselves. Roles: operator or security; privacy may look.`,
  examples: [
    [
      'sekisho sinkhole add www.victim.example --dry-run --ground self-defence --effect "floods resolver 2" --evidence "ticket 4711" --approver "shift lead" --expires 1h',
      'first count: who would be hit?',
    ],
    [
      'sekisho sinkhole add www.victim.example --ground self-defence --effect "floods resolver 2" --evidence "ticket 4711" --approver "shift lead" --expires 2h',
      'then act, for two hours',
    ],
    ['sekisho sinkhole list', 'watch; look for what could be lifted'],
    [
      'sekisho sinkhole renew www.victim.example --evidence "graph of 14:10, still 9 kq/s" --approver "shift lead" --expires 2h',
      'the attack goes on: a new term on fresh evidence',
    ],
    ['sekisho sinkhole remove www.victim.example --reason "attack over since 15:00"', 'lift it'],
  ],
  verbs: {
    add: {
      summary: 'put a rule in force, or count with --dry-run what it would hit',
      arguments: 'NAME',
      options: DRAFT,
      trace: ['sinkhole.add'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
    preview: {
      summary: 'what would be refused, and what is known of the name; changes nothing',
      arguments: 'NAME',
      options: { ...DRAFT, ...pick('reason') },
      trace: ['sinkhole.read'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
    renew: {
      summary: 'another term, on evidence that is new',
      arguments: 'NAME',
      options: pick(...STATEMENTS),
      trace: ['sinkhole.renew'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
    remove: {
      summary: 'lift a rule',
      arguments: 'NAME',
      options: pick('reason'),
      trace: ['sinkhole.remove'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
    list: {
      summary: 'rules with their state, rates, end and ground',
      options: pick('reason'),
      trace: ['sinkhole.read'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
    changes: {
      summary: 'who did what, when, on which ground; the latest first',
      options: pick('reason'),
      trace: ['sinkhole.read'],
      load: async () => (await import('./sinkhole.ts')).sinkhole,
    },
  },
};
