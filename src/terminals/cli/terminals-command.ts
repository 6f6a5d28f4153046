import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';
import { CASE_STATES } from '../cases/case.ts';

export const terminalsCommand: Command = {
  name: 'terminals',
  summary: 'notices to subscribers whose terminals are infected: reports in, cases out',
  help: `import takes a file of a third party (address, port, time, what was seen), looks up once who held
the address then, and forgets the report. One that could be of two subscribers is refused and
counted: a time without a zone, or at which clocks were set; a lease that was about to change;
two claims to one address; a shared address without the port. Several reports of one subscriber and
one infection are one case, with a code that the subscriber can check in the portal.

list shows the cases. export writes the notices that are due, as CSV for a mailing system;
with --mark-notified they count as told. mark sets the state of a case: ${CASE_STATES.join(', ')}.
formats lists the forms of reports; --map names columns of others.

Cases hold no address and no lease. Needs \`terminals\` in the configuration, with a ground for the
lease history. Roles: security; privacy may list. Everything lands in the audit log.`,
  examples: [
    [
      'sekisho terminals import sinkhole.csv --format shadowserver --reason "daily report" --dry-run',
      'what would come of it',
    ],
    ['sekisho terminals import sinkhole.csv --format shadowserver --reason "daily report"', 'open cases'],
    [
      'sekisho terminals import nict.csv --map address=IP,port=SPORT,time=DATE --zone Asia/Tokyo --kind mirai --reason "NOTICE, May"',
      'other columns',
    ],
    ['sekisho terminals list --reason "morning round"', 'open cases'],
    ['sekisho terminals export --mark-notified --reason "mailing of 3 May" > notices.csv', 'for the mailing system'],
    ['sekisho terminals mark 7K3M-XQ2P-9RTB fixed --reason "router replaced, ticket 815"', 'done'],
  ],
  verbs: {
    import: {
      summary: 'match a file of reports to leases (needs --reason)',
      arguments: 'FILE',
      options: {
        ...pick('reason'),
        format: { value: 'F', meaning: 'form of the file (see formats); by its ending csv or json unless given' },
        map: { value: 'C=NAME,…', meaning: 'columns by name: address, port, time, kind' },
        zone: { value: 'Z', meaning: 'zone of times that carry none: UTC, +09:00, Asia/Tokyo' },
        kind: { value: 'K', meaning: 'what was seen, where no column says so' },
        source: { value: 'WHO', meaning: 'who reports; that of the form unless given' },
        'dry-run': { meaning: 'say what would come of it, and keep nothing' },
      },
      trace: ['terminals.import'],
      load: async () => (await import('./import-reports.ts')).importReports,
    },
    list: {
      summary: 'the cases (needs --reason)',
      options: {
        ...pick('reason'),
        subscriber: { value: 'S', meaning: 'of one subscriber' },
        state: { value: 'STATE', choices: CASE_STATES, meaning: 'in that state' },
        over: { meaning: 'those that are over, too' },
      },
      trace: ['terminals.read'],
      load: async () => (await import('./terminals.ts')).terminals,
    },
    export: {
      summary: 'notices that are due, as CSV (needs --reason)',
      options: {
        ...pick('reason'),
        'mark-notified': { meaning: 'they count as told from now on' },
      },
      trace: ['terminals.export'],
      load: async () => (await import('./terminals.ts')).terminals,
    },
    mark: {
      summary: `set the state of a case: ${CASE_STATES.join(', ')}`,
      arguments: 'CASE STATE',
      options: pick('reason'),
      trace: ['terminals.mark'],
      load: async () => (await import('./terminals.ts')).terminals,
    },
    formats: {
      summary: 'forms of reports, and the columns of each',
      trace: { none: 'which columns reports have: nothing of anybody' },
      load: async () => (await import('./terminals.ts')).terminals,
    },
  },
  defaultVerb: 'list',
};
