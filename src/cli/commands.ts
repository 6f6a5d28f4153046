/**
 * The commands, their options and their help. `load` brings a command's code in only when it is used, so that `sekisho
 * help` does not load a DNS server.
 */
import type { Action } from './args.ts';
import type { OptionName } from './options.ts';
import { STATEMENTS } from './statements.ts';

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
  readonly load: () => Promise<Action>;
  /** What it leaves in the audit log of the server: actions of the entries, by verb where it has verbs; or why nothing. */
  readonly trace: Trace;
}

export type Trace = { readonly [verb: string]: readonly string[] | { readonly none: string } };

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
    trace: { '': ['configuration.start'] },
    load: async () => async (args) => {
      const { runServer } = await import('../process/server.ts');
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
    trace: { '': { none: 'it reads the configuration file and asks no server' } },
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
    trace: { '': { none: 'the state of the server: no name, no address of a client, no subscriber' } },
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'explain',
    usage: 'NAME [TYPE] --client IP',
    summary: 'say who would decide a query, and why',
    help: `Walks a query through the chain of the running server and shows what each part would
say, up to the one that decides. Nothing is sent or counted. Where subscribers are
known, that somebody looked is in the audit log, with the name and with --reason, or
that it was \`sekisho explain\`. TYPE is A unless given; HTTPS, TYPE65 and the like are
understood.`,
    examples: [
      ['sekisho explain example.com --client 192.0.2.7', 'why does this subscriber get no answer?'],
      ['sekisho explain example.com AAAA --client 2001:db8::7 --json', 'the same for a program'],
    ],
    options: ['client', 'reason'],
    words: [1, 2],
    trace: { '': ['subscriber.explain'] },
    load: async () => (await import('./explain.ts')).explain,
  },
  {
    name: 'reload',
    usage: '',
    summary: 'read the configuration again, without losing a query',
    help: `The running server reads its configuration file again, as on SIGHUP. New workers take over
the sockets and the cache; the old ones answer what waits and end. A configuration with
problems is refused, every problem is named, and the one in force stays.`,
    examples: [['sekisho reload', 'after a change of the file; look at it with `sekisho check` first']],
    options: [],
    words: [0, 0],
    trace: { '': ['configuration.reload'] },
    load: async () => (await import('./reload.ts')).reload,
  },
  {
    name: 'cache',
    usage: 'flush NAME [--subtree] [--type T] | stats',
    summary: 'forget what the cache holds of a name; the cache in numbers',
    help: `flush NAME forgets every answer to questions for NAME, in all workers at once: they share
one cache. With --subtree also for all names below it (\`flush . --subtree\` empties the
cache), with --type for one type only. Remembered failures are forgotten, too. An answer
that is on its way from an upstream meanwhile is stored as it comes.

stats shows what is held, how often it served, and what gave way.
Roles: operator or security; stats also for viewers.`,
    examples: [
      ['sekisho cache flush www.example.com', 'a site has moved and waits for nobody'],
      ['sekisho cache flush example.com --subtree', 'a whole zone has'],
      ['sekisho cache stats', 'is it large enough?'],
    ],
    options: ['subtree', 'type'],
    words: [1, 2],
    trace: {
      flush: ['cache.flush'],
      stats: { none: 'how much the cache holds and how often it served: no name, no address' },
    },
    load: async () => (await import('./cache.ts')).cache,
  },
  {
    name: 'lists',
    usage: '[status|held|reload|rollback] [NAME]',
    summary: 'show, fetch or take back reputation lists and policy zones',
    help: `status (the default) shows every list: what is in force, since when, what the guard
holds back and why, which lines were left out. With NAME, everything about one list.

held shows what helps to decide about a version of NAME that the guard holds back: all
names that it finds fault with, lines that were left out, and what would accept it.

reload asks the source of NAME (or of all lists) now. What the guard refuses is held
back and the version in force stays; look at the findings, and if the list is right and
the guard too careful, --override puts exactly that version into force. Who and why
are recorded with it. --without does the same without the names that were found fault
with.

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
    options: ['again', 'override', 'without', 'approver', 'reason'],
    words: [0, 2],
    trace: {
      status: { none: 'what lists hold, where from, and how often they hit: nothing of whom' },
      held: { none: 'what the guard finds in a version that it holds back: nothing of whom' },
      reload: ['list.reload', 'list.override'],
      rollback: ['list.rollback'],
    },
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

list, changes and preview show what was stated, which may name somebody's address: that
somebody looked is in the audit log, with --reason. When a command returns, every worker
acts on it, and it is on the disk. Rules survive a restart and end by themselves. Roles: operator or security; privacy may look.`,
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
    options: ['ground', ...STATEMENTS, 'subtree', 'dry-run', 'reason'],
    words: [1, 2],
    trace: {
      add: ['sinkhole.add'],
      preview: ['sinkhole.read'],
      renew: ['sinkhole.renew'],
      remove: ['sinkhole.remove'],
      list: ['sinkhole.read'],
      changes: ['sinkhole.read'],
    },
    load: async () => (await import('./sinkhole.ts')).sinkhole,
  },
  {
    name: 'export',
    usage: 'ip53b --format F',
    summary: 'router filters, made from the configuration in force',
    help: `ip53b: filters that keep strangers from using subscribers' devices as amplifiers. UDP
towards port 53 and 123 of dynamic addresses is dropped, and UDP from port 53 of them;
fixed addresses and the operator's own servers are let through. Networks and ports stand
in the section ip53b of the configuration. The text goes to standard output; the same
configuration always gives the same text.

nftables: for \`nft -f\`. iptables: a shell script for iptables and ip6tables. junos: for
\`load set terminal\`. ios-xr: access lists.`,
    examples: [
      ['sekisho export ip53b --format nftables | nft -f -', 'put it into force on this machine'],
      ['sekisho export ip53b --format junos > ip53b.set', 'for a router'],
    ],
    options: ['format'],
    words: [1, 1],
    trace: { ip53b: { none: 'a filter made of the configuration: nothing of anybody’s communication' } },
    load: async () => (await import('./export.ts')).exportFilter,
  },
  {
    name: 'open-resolver-scan',
    usage: 'RANGE',
    summary: "find open resolvers in the operator's own range",
    help: `Asks every address of RANGE, a network in CIDR notation, one question over UDP and lists
those that answer it for this machine. Only ranges inside server.access of the configuration
are scanned: an operator's own, never others'. At most 65 536 addresses at a time; the rate is
bounded, and each address gets one packet.

The question is the root's name servers, asked with recursion: who answers it to strangers
would answer anything. Run it from a machine outside the operator's network to see what the
world sees.`,
    examples: [
      ['sekisho open-resolver-scan 192.0.2.0/24', 'who answers there?'],
      ['sekisho open-resolver-scan 192.0.2.0/24 --rate 20 --json', 'slowly, for a program'],
    ],
    options: ['rate'],
    words: [1, 1],
    trace: { '': { none: 'it asks devices itself, from this machine, and no server for what is kept' } },
    load: async () => (await import('./open-resolver-scan.ts')).openResolverScan,
  },
  {
    name: 'consent',
    usage: 'show|opt-out|opt-in SUBSCRIBER | accept-damage --reason TEXT',
    summary: "show or change a subscriber's consent",
    help: `show tells what a subscriber's consent is, purpose by purpose. opt-out and opt-in change it:
the change is on the disk and acts in every worker when the command returns. Each of them
is recorded in the consent ledger with who, when and why, a look too, and all of it in
the audit log. show and export read personal data and need --reason.

export writes everything that is kept of a subscriber, for the subscriber's own request.
import takes a CSV file of another system, \`subscriber,purpose,opt-out|opt-in[,terms]\` a
row; begun again after a break, it goes on where it was. verify reads the whole ledger and
tells whether its chain holds.

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
    options: ['purpose', 'reason'],
    words: [1, 2],
    trace: {
      show: ['consent.show'],
      'opt-out': ['consent.opt-out'],
      'opt-in': ['consent.opt-in'],
      export: ['consent.export'],
      import: ['consent.import'],
      verify: { none: 'whether the chain of the ledger holds and how long it is: nothing of whom' },
      'accept-damage': ['consent.accept-damage'],
    },
    load: async () => (await import('./consent.ts')).consent,
  },
  {
    name: 'notice',
    usage: 'preview [PAGE] | copy FOLDER',
    summary: 'look at the pages that subscribers see, or take their texts over',
    help: `preview writes PAGE as HTML to standard output: with made-up content, in the texts, the
language and the name of the operator that the configuration has. Without PAGE it lists the
pages. Nothing is started and no server is asked.

copy puts the texts that come along into FOLDER, which must not be there yet, to be edited
and named as notice.templates. \`sekisho check\` says what a page lacks.`,
    examples: [
      ['sekisho notice preview', 'which pages there are'],
      ['sekisho notice preview blocked-c2 --language en > page.html', 'and open it in a browser'],
      ['sekisho notice copy ./pages', 'one’s own texts begin here'],
    ],
    options: ['language'],
    words: [1, 2],
    trace: {
      preview: { none: 'a page with made-up content; no server is asked' },
      copy: { none: 'texts that come along; no server is asked' },
    },
    load: async () => (await import('./notice.ts')).notice,
  },
  {
    name: 'history',
    usage: '[--reason TEXT] [--window SPAN] [--top N] [--addresses [--approver WHO]]',
    summary: 'show who and what was asked most over a time, beside the normal',
    help: `Top names, domains, patterns, source networks and types of the last minutes, hours or
days, each beside what is normal at this hour of the week. Names and sources are kept
apart, and sources are told coarsely: networks that make a quarter of the load, by
quarters; over a quarter of an hour and more also those that many lines ask from, without
a number. Nothing here says who looked up what.

--addresses shows single addresses in place of names: those that make a quarter of the
load, while an overload is detected, or where a second person approves (--approver).

The history can be read while an overload is open, and by nobody otherwise. --reason
declares one, for an hour. Every reading lands in the audit log with who and why.`,
    examples: [
      [
        'sekisho history --reason "resolver slow since 02:50, ticket 4711"',
        'open it and look at the last five minutes',
      ],
      ['sekisho history --window 1d --top 20', 'a day, while an overload is open'],
      ['sekisho history --json | jq .tops.domain', 'for a program'],
    ],
    options: ['reason', 'window', 'top', 'addresses', 'approver'],
    words: [0, 0],
    trace: { '': ['overload.declare', 'history.read'] },
    load: async () => (await import('./history.ts')).history,
  },
  {
    name: 'diagnose',
    usage: '[--reason TEXT] [--window SPAN] | --apply N --ground G --approver WHO --expires WHEN …',
    summary: 'say what explains an overload; put the narrow rule in force that ends it',
    help: `Compares the last minutes with what is normal at this hour of the week and says what
rose, which domains, patterns, types and source networks explain which share of it,
how sure that is, and what it looks like. Then it proposes the narrowest rules, each
with the share of the rise that it removes and the share of the last day's normal
traffic that it would have hit.

Without a detected overload --reason declares one, for an hour. Every diagnosis lands in
the audit log. A single client is named while an overload is detected, or where a second
person approves (--approver WHO); else the network around it is.

--apply N puts proposal N in force, on a ground and for a time that you state; what the
diagnosis saw is its evidence (--evidence adds to it). The screen shows the whole command
line. It acts in amp-shaper, random-subdomain or sinkhole, at once in every worker,
survives a restart, and lifts itself when the rate has been back to normal for ten
minutes. A whole zone needs --escalate. \`sekisho measures\` shows what is in force.`,
    examples: [
      ['sekisho diagnose --reason "load tripled at 03:00, ticket 4711"', 'declare an overload and look'],
      ['sekisho diagnose', 'when one was detected already'],
      ['sekisho diagnose --window 1m --json', 'the last minute, for a program'],
      [
        'sekisho diagnose --apply 1 --dry-run --ground self-defence --approver "shift lead" --expires 1h',
        'the first proposal of your last diagnosis, only counted',
      ],
      [
        'sekisho diagnose --apply 1 --diagnosis d3f09a12b --ground self-defence --approver "shift lead" --expires 2h',
        'in force',
      ],
    ],
    options: ['reason', 'window', 'apply', 'diagnosis', 'ground', ...STATEMENTS, 'escalate', 'dry-run'],
    words: [0, 0],
    trace: { '': ['overload.declare', 'history.diagnose', 'measure.apply'] },
    load: async () => (await import('./diagnose.ts')).diagnose,
  },
  {
    name: 'measures',
    usage: '[list|changes] | renew ID --evidence TEXT --approver WHO --expires D | lift ID',
    summary: 'show what diagnoses have put in force, renew it, lift it',
    help: `list (the default) shows what \`diagnose --apply\` has put in force: what it is on, how many
queries it matched and limited, the rate now and the rate below which it lifts itself,
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
    options: ['reason', ...STATEMENTS],
    words: [0, 2],
    trace: { list: ['measure.read'], renew: ['measure.renew'], lift: ['measure.lift'], changes: ['measure.read'] },
    load: async () => (await import('./measures.ts')).measures,
  },
  {
    name: 'rules',
    usage: '[list|changes] | renew ID --evidence TEXT --approver WHO --expires D | lift ID',
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
    options: ['reason', ...STATEMENTS],
    words: [0, 2],
    trace: { list: ['rule.read'], renew: ['rule.renew'], lift: ['rule.lift'], changes: ['rule.read'] },
    load: async () => (await import('./rules.ts')).rules,
  },
  {
    name: 'report',
    usage: '--from DATE --to DATE [--format html|json]',
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
    options: ['from', 'to', 'format'],
    words: [0, 0],
    trace: { '': ['report.read'] },
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'time',
    usage: '[show | accept --reason TEXT]',
    summary: 'the server’s time beside the system’s clock',
    help: `What has ended never returns: the server's time never runs behind the latest time that the
data folder has seen, whatever the system's clock says. show (the default) compares the two.

Where the clock is behind at a start, the time is in doubt and nothing with a term acts
until the clock has caught up. Where the clock ran ahead by mistake (the year 2099), set
it right and say so with accept: terms are judged by the clock again. What has ended by
then stays ended and has to be stated anew. Recorded with the reason; roles: operator,
privacy.`,
    examples: [
      ['sekisho time', 'is the clock trusted?'],
      ['sekisho time accept --reason "NTP server sent 2099, mended at 04:10, ticket 4711"', 'take the clock as right'],
    ],
    options: ['reason'],
    words: [0, 2],
    trace: {
      show: { none: 'the time alone: no name, no address, no subscriber' },
      accept: ['time.accept'],
    },
    load: async () => (await import('./time.ts')).time,
  },
  {
    name: 'audit',
    usage: 'verify [SEQUENCE:HASH] | acknowledge --reason TEXT',
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
    options: ['reason'],
    words: [1, 2],
    trace: {
      verify: { none: 'whether the chain holds and how long it is, and nothing of what stands in it' },
      acknowledge: ['audit.acknowledge'],
    },
    load: async () => (await import('./audit.ts')).audit,
  },
  {
    name: 'plugin',
    usage: 'new NAME | test [FOLDER]',
    summary: 'write a plugin of your own, and test it',
    help: `new writes the folder NAME with a plugin that works: code, README, test and package.json.
Nothing that exists is overwritten. Change it, test it, and name it in the configuration
with \`module: ./NAME\`. docs/plugins.md is the guide.

test runs the tests of FOLDER (this one unless given) with Node’s own test runner; in them
\`sekisho/plugin\` and \`sekisho/testing\` are those of this installation.`,
    examples: [
      ['sekisho plugin new my-plugin', 'begin'],
      ['sekisho plugin test my-plugin', 'and see that it works'],
    ],
    options: [],
    words: [1, 2],
    trace: {
      new: { none: 'it writes files of a new plugin and asks no server' },
      test: { none: 'it runs tests on this machine and asks no server' },
    },
    load: async () => (await import('./plugin.ts')).plugin,
  },
];
