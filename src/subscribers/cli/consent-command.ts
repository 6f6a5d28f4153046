import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

const CHANGE = {
  ...pick('reason'),
  purpose: { value: 'P', choices: ['c2', 'malware-warning'], meaning: 'of what; c2 unless given' },
};

export const consentCommand: Command = {
  name: 'consent',
  summary: "show or change a subscriber's consent",
  help: `show tells what a subscriber's consent is, purpose by purpose. opt-out and opt-in change it:
the change is on the disk and acts in every worker when the command returns. Each of them
is recorded in the consent ledger with who, when and why, a look too, and all of it in
the audit log. show and export read personal data and need --reason.

export writes everything that is kept of a subscriber, for the subscriber's own request.
import takes a CSV file of another system, \`subscriber,purpose,opt-out|opt-in[,terms]\` a
row; restarted after an interruption, it resumes where it stopped. verify reads the whole ledger and
tells whether its chain holds; in a fleet, whether the database and all nodes have the same.

A ledger that is missing, cut, replaced or older than it was is damaged: nobody is
inspected. accept-damage (role privacy) lets inspection go on with what the ledger says
now; import withdrawals that it may lack first.`,
  examples: [
    ['sekisho consent show 4711 --reason "asked by telephone, ticket 815"', 'for the call centre'],
    ['sekisho consent opt-out 4711 --reason "by telephone, ticket 815"', 'recorded with the reason'],
    ['sekisho consent opt-in 4711 --purpose malware-warning --reason "by mail"', 'another purpose'],
    ['sekisho consent import crm.csv --reason "moved from the CRM"', 'a million rows, resumable'],
    ['sekisho consent export 4711 --reason "own request of 3 May" --json > 4711.json', 'for the subscriber'],
    ['sekisho consent verify', 'does the ledger hold?'],
    ['sekisho consent accept-damage --reason "disk replaced, opt-outs imported, ticket 9"', 'go on after damage'],
  ],
  verbs: {
    show: {
      summary: 'what a subscriber’s consent is, purpose by purpose (needs --reason)',
      arguments: 'SUBSCRIBER',
      options: pick('reason'),
      trace: ['consent.show'],
      load: async () => (await import('./consent.ts')).consent,
    },
    'opt-out': {
      summary: 'withdraw consent; acts in every worker when it returns',
      arguments: 'SUBSCRIBER',
      options: CHANGE,
      trace: ['consent.opt-out'],
      load: async () => (await import('./consent.ts')).consent,
    },
    'opt-in': {
      summary: 'give it again',
      arguments: 'SUBSCRIBER',
      options: CHANGE,
      trace: ['consent.opt-in'],
      load: async () => (await import('./consent.ts')).consent,
    },
    export: {
      summary: 'everything that is kept of a subscriber (needs --reason)',
      arguments: 'SUBSCRIBER',
      options: pick('reason'),
      trace: ['consent.export'],
      load: async () => (await import('./consent.ts')).consent,
    },
    import: {
      summary: 'take changes from a CSV file of another system; can be resumed',
      arguments: 'FILE',
      options: pick('reason'),
      trace: ['consent.import'],
      load: async () => (await import('./consent.ts')).consent,
    },
    verify: {
      summary: 'read the whole ledger: does its chain hold?',
      trace: { none: 'whether the chain of the ledger holds and how long it is: nothing of whom' },
      load: async () => (await import('./consent.ts')).consent,
    },
    'accept-damage': {
      summary: 'let inspection go on after damage to the ledger (needs --reason)',
      options: pick('reason'),
      trace: ['consent.accept-damage'],
      load: async () => (await import('./consent.ts')).consent,
    },
  },
};
