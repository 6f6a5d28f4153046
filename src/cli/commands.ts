/**
 * The commands, their options and their help. `load` brings a command's code in only when it is used, so that `sekisho
 * help` does not load a DNS server.
 */
import type { Action } from './args.ts';
import type { OptionName } from './options.ts';

export interface Command {
  readonly name: string;
  /** What stands behind the name: `NAME [TYPE] --client IP`. */
  readonly usage: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What there is to know, in a few short paragraphs. */
  readonly help: string;
  /** Command lines, each with what it is for. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Options besides those of every command. */
  readonly options: readonly OptionName[];
  /** How many words may follow the name. */
  readonly words: readonly [least: number, most: number];
  /** Absent: the command belongs to Sekisho but not to this version. */
  readonly load?: () => Promise<Action>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: '',
    summary: 'start the server in the foreground',
    help: `Starts the server and stays in the foreground until SIGTERM or SIGINT, which let the
queries under way finish and exit with 0. SIGHUP reads the configuration again; a bad
one is refused and the old one runs on.

The log goes to standard output, one JSON object a line (with or without --json). At
the first start a token for the admin API is written to <data>/admin.token.`,
    examples: [
      ['sekisho run', 'with the default configuration: 127.0.0.1:5353, the system’s resolvers behind it'],
      ['sekisho run --config /etc/sekisho/sekisho.yaml', 'as a service does'],
      ['dig @127.0.0.1 -p 5353 example.com', 'and ask it'],
    ],
    options: [],
    words: [0, 0],
    load: async () => async (args) => {
      const { runServer } = await import('../server.ts');
      return runServer(args.config === undefined ? {} : { configPath: args.config });
    },
  },
  {
    name: 'check',
    usage: '',
    summary: 'find every problem of the configuration, start nothing',
    help: `Reads the configuration as \`run\` would, plugins and their options included, and names
every problem at once as file:line:column: path: message. Without a problem it shows
what the configuration amounts to: addresses, upstreams, and the plugins in the order
in which they run.

Exit code 0: nothing wrong. 1: at least one problem.`,
    examples: [
      ['sekisho check', 'the configuration that `sekisho run` would take'],
      ['sekisho check --config new.yaml && mv new.yaml sekisho.yaml', 'look before the running server gets to see it'],
      ['sekisho check --json', 'for a deployment pipeline: {"ok": …, "problems": […]}'],
    ],
    options: [],
    words: [0, 0],
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'status',
    usage: '',
    summary: 'show the state of the running server',
    help: `Asks the running server for its listeners, upstreams (state and round-trip time),
workers, plugins (mean cost per query) and cache.

The server is found through admin.listen of the configuration. The token comes from
SEKISHO_TOKEN, else from <data>/admin.token, which the server's own user may read.`,
    examples: [
      ['sekisho status', 'one look'],
      ['sekisho status --json | jq .upstreams', 'one part of it'],
      ['SEKISHO_TOKEN=… sekisho status --config /etc/sekisho/sekisho.yaml', 'with a token of one’s own'],
    ],
    options: [],
    words: [0, 0],
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'explain',
    usage: 'NAME [TYPE] --client IP',
    summary: 'say who would decide a query, and why',
    help: `Walks a query through the chain of the running server and shows what each part would
say, up to the one that decides. Nothing is sent, counted or recorded. TYPE is A
unless given; HTTPS, TYPE65 and the like are understood.`,
    examples: [
      ['sekisho explain example.com --client 192.0.2.7', 'why does this subscriber get no answer?'],
      ['sekisho explain example.com AAAA --client 2001:db8::7 --json', 'the same for a program'],
    ],
    options: ['client'],
    words: [1, 2],
    load: async () => (await import('./explain.ts')).explain,
  },
  {
    name: 'lists',
    usage: '[status|reload|rollback] [NAME]',
    summary: 'show, fetch or take back reputation lists and policy zones',
    help: `status (the default) shows every list: what is in force, since when, what the guard
holds back and why, which lines were left out. With NAME, everything about one list.

reload asks the source of NAME (or of all lists) now. What the guard refuses is held
back and the version in force stays; look at the findings, and if the list is right and
the guard too careful, --override puts exactly that version into force. Who and why
are recorded with it.

rollback takes NAME back to the version before. A second rollback undoes the first.`,
    examples: [
      ['sekisho lists', 'one line a list'],
      ['sekisho lists status c2-feed', 'lines that were left out, versions that are kept'],
      ['sekisho lists reload c2-feed', 'fetch it now'],
      [
        'sekisho lists reload c2-feed --override --approver "K. Sato" --reason "vendor merged two feeds, mail of 24 Nov"',
        'accept what the guard refused',
      ],
      ['sekisho lists rollback c2-feed --approver "K. Sato" --reason "blocks a customer, ticket 4711"', 'take it back'],
    ],
    options: ['again', 'override', 'approver', 'reason'],
    words: [0, 2],
    load: async () => (await import('./lists.ts')).lists,
  },
  {
    name: 'sinkhole',
    usage: 'add|preview|renew|remove NAME … | list | changes',
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

When a command returns, every worker acts on it, and it is on the disk. Rules survive a
restart and end by themselves. Roles: operator or security; privacy may look.`,
    examples: [
      [
        'sinkhole add www.victim.example --dry-run --ground self-defence --effect "floods resolver 2" --evidence "ticket 4711" --approver "shift lead" --expires 1h',
        'first count: who would be hit?',
      ],
      [
        'sinkhole add www.victim.example --ground self-defence --effect "floods resolver 2" --evidence "ticket 4711" --approver "shift lead" --expires 2h',
        'then act, for two hours',
      ],
      ['sinkhole list', 'watch; look for what could be lifted'],
      [
        'sinkhole renew www.victim.example --evidence "graph of 14:10, still 9 kq/s" --approver "shift lead" --expires 2h',
        'the attack goes on: a new term on fresh evidence',
      ],
      ['sinkhole remove www.victim.example --reason "attack over since 15:00"', 'lift it'],
    ].map(([line, purpose]) => [`sekisho ${line}`, purpose ?? ''] as const),
    options: [
      'ground',
      'effect',
      'evidence',
      'nothing-milder',
      'purpose',
      'necessity',
      'proportionality',
      'approver',
      'expires',
      'review',
      'subtree',
      'dry-run',
      'reason',
    ],
    words: [1, 2],
    load: async () => (await import('./sinkhole.ts')).sinkhole,
  },
  {
    name: 'consent',
    usage: 'show|opt-out|opt-in SUBSCRIBER',
    summary: "show or change a subscriber's consent",
    help: `show tells what a subscriber's consent is, purpose by purpose. opt-out and opt-in change it:
the change is on the disk and acts in every worker when the command returns. Each of them
is recorded in the consent ledger with who, when and why, a look too.

export writes everything that is kept of a subscriber, for the subscriber's own request.
import takes a CSV file of another system, \`subscriber,purpose,opt-out|opt-in[,terms]\` a
row; begun again after a break, it goes on where it was. verify reads the whole ledger and
tells whether its chain holds.`,
    examples: [
      ['sekisho consent show 4711', 'for the call centre'],
      ['sekisho consent opt-out 4711 --reason "by telephone, ticket 815"', 'recorded with the reason'],
      ['sekisho consent opt-in 4711 --purpose malware-warning', 'another purpose'],
      ['sekisho consent import crm.csv --reason "moved from the CRM"', 'a million rows, resumable'],
      ['sekisho consent export 4711 --json > 4711.json', 'for the subscriber'],
      ['sekisho consent verify', 'does the ledger hold?'],
    ],
    options: ['purpose', 'reason'],
    words: [1, 2],
    load: async () => (await import('./consent.ts')).consent,
  },
  later('history', '[--reason TEXT]', 'query rates of the past, opened with a reason'),
  later('diagnose', '[--reason TEXT]', 'what explains an overload'),
  later('export', 'ip53b --format F', 'router filters'),
  later('report', '--from DATE --to DATE', 'the transparency report'),
  later('audit', 'verify', 'the audit log'),
];

/** A command of the design that a later version brings. */
function later(name: string, usage: string, summary: string): Command {
  const help = 'This command is not in this version yet.';
  return { name, usage, summary, help, examples: [], options: [], words: [0, 16] };
}
