/**
 * # The plugin contract
 *
 * Everything that a plugin may touch comes through this file. If you write a plugin, read this and
 * `plugins/whoami/` and you have read enough; if something you need is not here, the mechanism is missing: say so.
 *
 * ## Two planes
 * A plugin has up to two halves.
 * - `control` runs once, in the main thread. It may be slow, use any library, open files, set timers, add admin routes.
 *   What it wants the packet threads to see it returns as `shared`: plain data and SharedArrayBuffers. What changes
 *   later it hands over with `publish`, and the `update` hook of every worker takes it between two packets.
 * - `data` runs once in every worker and returns *hooks*. Hooks run for each query and must be quick: no promise, no
 *   I/O, and, on the common way through, no allocation and no string. Their cost is measured and shown per plugin.
 *
 * ## Where hooks stand on a packet's journey
 *
 *     packet ─▶ [packet]* ─▶ parse ─▶ [query of guard]* ─▶ server's own ─▶ [query of policy, answer, observe]* ─▶ cache ─▶ [miss]* ─▶ source ─▶ [again]*, [resolved]*
 *                 guard only                                names                                                  │                  │
 *     client ◀──── send ◀──── [observe]* ◀──── OPT, size limit ◀──── [answer]* ◀───────────────────────────────────┴──────────────────┘
 *
 * What the server answers by itself is asked before policies, but for ANY: policies see it first, and where none decides it is answered
 * minimally (RFC 8482).
 *
 * `stage` says where the `query` hook stands: `guard` runs before anything is decided about the name (who may ask, how
 * much); the others after. Inside a stage the order is that of the configuration. Hooks other than `query` run at their
 * own place, in the same order.
 *
 * ## Verdicts
 * A hook returns a small integer:
 *
 * | verdict  | meaning |
 * |---|---|
 * | CONTINUE | go on with the next hook |
 * | ANSWER   | the reply stands in the query (`beginReply`, `addRecord`): later hooks of the same kind are skipped |
 * | DROP     | send nothing; counted per plugin |
 * | TRUNCATE | empty reply with TC: a real client comes back over TCP. Over TCP this is CONTINUE |
 * | REFUSE   | REFUSED |
 * | FAIL     | SERVFAIL |
 * | COMPLETE | as ANSWER, and the answer section ends in a CNAME whose target's own records the server adds (below) |
 * | LOOK_UP  | `answer` hooks only: the same name is looked up with the type in `query.soughtType`, then the plugin's `found` decides |
 * | DEFER    | `query` hooks only: the query was handed to `context.defer` and waits outside the pool |
 *
 * COMPLETE is for a plugin that sends a client to another name: it writes the reply up to a CNAME, without further
 * sections, and the server looks up the CNAME's target as if the client had asked for it with the same type, DO and CD: in
 * the cache, then at the source, while the query waits. The target's records, or its SOA where it has none, and its rcode
 * complete the reply; if they are not available, the client gets SERVFAIL. What the plugin set as extended error stays.
 * Nobody's policy is asked about the target, and only once is a reply completed, so no loop can form. Hooks that would run
 * after ANSWER run on the completed reply.
 *
 * LOOK_UP is for a plugin that makes its reply of records of another type (DNS64). The server looks the question's name up with
 * the type that the hook put into `query.soughtType`, with the client's DO and CD: in the cache, then at the source, while the
 * query waits. Then it calls `found` of that plugin with the reply as it stood in the query, and with the message that was found.
 * Nobody's policy is asked about it; policies that look at the question have seen the name.
 *
 * A hook that throws, or returns something else, is counted, logged (rate-limited) and the query answered SERVFAIL.
 * An `async` hook is refused when the plugin is loaded. What a hook throws is logged: put no name and no address in it.
 *
 * ## What a hook sees
 * The `Query` (query.ts) and the helpers of wire/writer.ts to write a reply. All bytes are borrowed: copy what you keep.
 * Answer hooks may walk the reply with `RecordCursor`; they run on every reply, also one that a plugin wrote.
 *
 * ## Options
 * `options` is a Zod object schema. It is the one place where an option's type, bounds, default and meaning
 * (`.describe()`) stand; the parser with file, line and column, the TypeScript type, the README's table and
 * `sekisho check` come from it. Use `z.strictObject`, so that a misspelt key is an error.
 */
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import type { CommandLoader } from '../commands/command.ts';
import type { AdminApi } from '../errors/api-schema.ts';
import type { Approval } from '../grounds/approval.ts';
import type { ListCategory } from '../grounds/categories.ts';
import type { ListFacts, ListsInForce } from '../lists/in-force.ts';
import type { MetricSample } from '../metrics/prometheus.ts';
import type { RuleCarrier } from '../rules/carriers.ts';
import type { RulesDesk } from '../rules/desk.ts';
import type { PluginMeasures } from '../rules/in-force.ts';
import type { NoticeDesk } from '../subscribers/consent/notice-desk.ts';
import type { SubscriberFacts } from '../subscribers/describe.ts';
import type { SubscribersInForce } from '../subscribers/in-force.ts';
import type { Clock } from '../time/clock.ts';
import type { Query } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';

// --- What plugins build with: the built-in ones use nothing else of the server. ---
export {
  AddressError,
  addressText,
  addressWords,
  isMapped,
  parsePrefix,
  prefixContains,
  prefixText,
} from '../address/address.ts';
export { networkAround } from '../address/network-around.ts';
export { PrefixSet } from '../address/prefix-set.ts';
export type { AuditEntry, Auditor } from '../audit/entry.ts';
/** A route that reads personal data: the schema of its `reason`, and the entry of the audit log, refused without a purpose. */
export { changeBy, NO_ADDRESS, PURPOSE, readOf, readWhereAddresses } from '../audit/personal-read.ts';
export type { RouteAudit } from '../audit/route-declaration.ts';
/** Coded errors of a plugin's own (`errorsOf`), and those that every room has: HTTP status, exit code and remedy travel with each. */
export { type Catalogue, type ErrorEntry, errorsOf, errorText, generalError, SekishoError } from '../errors/errors.ts';
export { faultOf, faultText } from '../errors/fault-text.ts';
export { type Approval, approverProblem } from '../grounds/approval.ts';
export { CONSENT_PURPOSES, type ListCategory } from '../grounds/categories.ts';
export { expiryMs, GROUND_TERMS, type Ground, ground } from '../grounds/ground.ts';
export { issueText, missing, readGround, type StatedGround } from '../grounds/stated.ts';
export { nameProblem, statementProblem } from '../grounds/statement.ts';
export { halfSipHash, hashHigh, hashLow } from '../hash/siphash.ts';
export { ADDRESS_TRIGGER, type AddressTrigger } from '../lists/formats/sink.ts';
export { publicSuffixRules } from '../lists/guard/public-suffix-rules.ts';
export type { ListFacts, ListsInForce, LoadedLists, PolicyOverride, PolicyZoneFacts } from '../lists/in-force.ts';
export { type NetworkIndex, NetworkName } from '../lists/index/network-index.ts';
export type { PolicyIndex } from '../lists/index/policy-index.ts';
export {
  ACTION_DROP,
  ACTION_LISTED,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  ACTION_REFUSED,
  ACTION_SERVFAIL,
  ACTION_TCP_ONLY,
  DATA_RDATA_AT,
  DATA_TTL_AT,
  MAX_LISTS,
} from '../lists/index/rules.ts';
export { SuffixHash, type SuffixKey } from '../lists/index/suffix-hash.ts';
export type { MetricSample } from '../metrics/prometheus.ts';
export type { CarriedRule, Refusal, RuleCarrier } from '../rules/carriers.ts';
export type { RuleDraft } from '../rules/desk.ts';
export { discreetMatchText as measureText } from '../rules/discreet.ts';
export { type ConfiguredRule, type Entry as RuleEntry, stateOf as ruleStateOf } from '../rules/entry.ts';
export type { PluginMeasures } from '../rules/in-force.ts';
export {
  aboutText as aboutGround,
  type MeasureProposal,
  RULE_STATES,
  type Rule,
  type RuleMatch as MeasureMatch,
} from '../rules/rule.ts';
export type { KeptChange as KeptRuleChange } from '../rules/rule-store.ts';
export { durationMs, durationSeconds, sizeBytes } from '../settings/units.ts';
export type { NoticeDesk, NoticeRecord } from '../subscribers/consent/notice-desk.ts';
export { categoryBit, PURPOSE_MASKS } from '../subscribers/consent/purposes.ts';
export type { SubscribersInForce } from '../subscribers/in-force.ts';
export { version } from '../system/version.ts';
export { type Clock, systemClock } from '../time/clock.ts';
export { threadClock } from '../time/turned-clock.ts';
export { AliasChain, asksForAlias, mayHoldAlias } from '../wire/alias-chain.ts';
export { CLASS, EDE, RCODE, rcodeName, TYPE, typeFromName, typeName } from '../wire/constants.ts';
export { MessageName } from '../wire/message-name.ts';
export { NameError, nameToText, textToName } from '../wire/name.ts';
export {
  CACHE_FAILURE,
  CACHE_HIT,
  CACHE_MISS,
  CACHE_NOT_ASKED,
  CACHE_RESULTS,
  CACHE_STALE,
  COOKIE_BAD,
  COOKIE_CLIENT_ONLY,
  COOKIE_GOOD,
  COOKIE_NONE,
  DROP_REASONS,
  Query,
  TCP,
  TRANSPORTS,
  UDP,
} from '../wire/query.ts';
export { Question } from '../wire/question.ts';
export { RecordCursor } from '../wire/records.ts';
export { type Transport, transportOf } from '../wire/transports.ts';
export {
  ADDITIONAL,
  ANSWER as ANSWER_SECTION,
  AUTHORITY,
  addOwnedRecord,
  addRecord,
  addRecordRange,
  addSoa,
  beginReply,
  replyRoom,
} from '../wire/writer.ts';
export { z };

/**
 * Version of this contract. It goes up when a plugin made for the version before would no longer work; a plugin that says for
 * which it was made (`Plugin.contract`) is refused with SEKISHO_PLUGIN_CONTRACT by a server of another.
 */
export const CONTRACT_VERSION = 1;

export const CONTINUE = 0;
export const ANSWER = 1;
export const DROP = 2;
export const TRUNCATE = 3;
export const REFUSE = 4;
export const FAIL = 5;
export const DEFER = 6;
export const COMPLETE = 7;
export const LOOK_UP = 8;
/** What became of a question that the source was asked (`Hooks.resolved`). */
export const RESOLVED_ANSWER = 0;
export const RESOLVED_NXDOMAIN = 1;
export const RESOLVED_NODATA = 2;
/** The upstream servers answered, but with failures or garbage. */
export const RESOLVED_FAILURE = 3;
/** No answer came in time. */
export const RESOLVED_TIMEOUT = 4;
/** No upstream server answers anything: this says nothing about the question. */
export const RESOLVED_UNREACHABLE = 5;
/** It was not asked after all: too much was outstanding, or another plugin's `miss` refused. */
export const RESOLVED_NOT_ASKED = 6;
export const VERDICTS = [
  'continue',
  'answer',
  'drop',
  'truncate',
  'refuse',
  'fail',
  'defer',
  'complete',
  'look-up',
] as const;
export type Verdict = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export type Stage = 'guard' | 'policy' | 'answer' | 'observe';
export const STAGES: readonly Stage[] = ['guard', 'policy', 'answer', 'observe'];

/** What runs for each query, in a worker. Every hook is optional; none may be `async`. */
export interface Hooks {
  /**
   * Several packets have come at once: called for each, with its sender alone known (client, port, listener), before the first of
   * them is handled, and then `fetch` once. For asking the memory ahead, so that the waits of a batch overlap. Must not
   * decide, count or keep anything; called or not, every packet has to fare the same.
   */
  foresee?(query: Query): void;
  fetch?(): void;
  /** Guards only, before the packet is parsed: transport, client address and raw bytes are known, nothing else. */
  packet?(query: Query): Verdict;
  /** The question is known. */
  query?(query: Query): Verdict;
  /**
   * The cache has no fresh answer and the source is about to be asked; not called where the same question is being asked
   * already, which costs nothing more. FAIL: what is stale is served, else SERVFAIL with the query's `ede`. After CONTINUE of
   * all plugins `resolved` follows, once. Cannot defer. `query.cacheResult` is CACHE_STALE where something stale is at hand:
   * FAIL is no loss to the client then, and `context.refresh` fetches what is new.
   */
  miss?(query: Query): Verdict;
  /**
   * A question is about to be sent without a `miss` before it: once more, because nothing has come, or a popular name's
   * before it expires. False: it is not; those who wait go on waiting for what was sent. `question` is borrowed.
   */
  again?(question: Question): boolean;
  /**
   * The source is done with a question, RESOLVED_…: an answer is there, or there is none. `question` is borrowed;
   * `elapsedMs` since it was first sent, `sent` times it was sent. Also for popular names fetched again in the background,
   * to which no `miss` belongs. A popular name's answer may serve many who waited; this is called once. `zoneAt`: where in
   * `question.name` the name of the zone begins that the answer shows to be one (owner of an SOA or NS record), or -1.
   */
  resolved?(
    question: Question,
    outcome: number,
    elapsedMs: number,
    sent: number,
    background: boolean,
    zoneAt: number,
  ): void;
  /** A reply stands in the query, whoever wrote it; the OPT record is not on it yet. */
  answer?(query: Query): Verdict;
  /**
   * What the `answer` hook wanted looked up (LOOK_UP) is there: `message`, from its byte 0, `length` bytes, borrowed; walk it with
   * `RecordCursor`. Its header's last four bits are the rcode; `authentic`: it was validated. `length` 0: it is not available. The reply
   * stands in the query as the hook left it. CONTINUE: it goes out so, after the other plugins' hooks. Neither DEFER nor LOOK_UP.
   */
  found?(query: Query, message: Uint8Array, length: number, authentic: boolean): Verdict;
  /**
   * The packet is done with: replied to (`replyLength` > 0) or dropped (`dropReason` ≥ 0). Runs once for every packet that
   * came, also those that could not be read (`question.nameLength` is 0 then), whose client has gone, or on which a hook
   * failed; only where an observe hook itself failed, none runs again.
   */
  observe?(query: Query): void;
  /**
   * Takes what `control` publishes (`ControlContext.publish`): between two packets, and once at the start where something
   * was published before. May be slow by the measure of hooks (it builds tables), but packets wait for it.
   */
  update?(value: unknown): void;
  /**
   * For `sekisho explain`, which lets a query that is never sent through the chain, in the main thread: in words, why `hook`
   * has just decided as it did. `verdict` undefined: the source would be asked, so that an answer hook cannot run; say what
   * it would look at. A plugin that has this promises that all its hooks, where `DataContext.worker` is -1, change nothing that
   * anybody else can see: they decide as always and write into the query alone. Without it they are not run there, and
   * `sekisho explain` says that this plugin does not explain itself.
   */
  explain?(query: Query, hook: DecidingHook, verdict: Verdict | undefined): Explanation;
}

/** Hooks that return a verdict. */
export const DECIDING_HOOKS = ['packet', 'query', 'miss', 'answer'] as const;
export type DecidingHook = (typeof DECIDING_HOOKS)[number];

export interface Explanation {
  /** One sentence for the operator, e.g. `rule 'evil.example' (line 3) discards this name`. */
  readonly reason: string;
  /** Rules of lists that the reason speaks about, for the control plane to add where in the list they stand. */
  readonly matches?: readonly RuleMatch[];
}

/** A rule of a list that matched a query. */
export interface RuleMatch {
  /** Place of the list in the configuration, from 0. */
  readonly list: number;
  readonly trigger: 'qname' | 'client-ip' | 'ip' | 'nsdname' | 'nsip';
  /** What the rule is on: a name, with `*.` before it where it is on all below, or a network. */
  readonly rule: string;
}

/** What `data` is given, once per worker. */
export interface DataContext<Options> {
  readonly options: Options;
  /** Parts of the whole configuration that concern every plugin. */
  readonly server: ServerFacts;
  /** The lists as configured, and what they hold now: read `lists.current` for each packet. */
  readonly lists: ListsInForce;
  /** Who a client is and what it consents to: ask for each packet, before anything is looked up. */
  readonly subscribers: SubscribersInForce;
  /** Measures of the operator that this plugin carries (`Plugin.carriesMeasures`): none costs one look at `count`. */
  readonly measures: PluginMeasures;
  /** For `explain`: who the query's client is, in words. Only where `worker` is -1. */
  describeSubscriber?(query: Query): SubscriberFacts;
  /** What `control` returned as `shared`. */
  readonly shared: unknown;
  /**
   * Number of this worker, from 0; -1 in the main thread, where `explain` rehearses what workers would do: memory shared with
   * them is read and never written there, counters are thrown away, and `refresh` does nothing.
   */
  readonly worker: number;
  readonly clock: Clock;
  /** Secret 32-bit integers, the same in all workers, new at each start of the server: keys for hashes. */
  readonly hashKey: readonly [number, number];
  /** A CSPRNG: a 32-bit unsigned integer. */
  random32(): number;
  /**
   * Declare a counter `sekisho_<plugin>_<name>_total`. Returns its index: count with `counters[index] += 1`.
   * Labels must come from the configuration, never from a query.
   */
  counter(name: string, help: string, labels?: Record<string, string>): number;
  readonly counters: Float64Array;
  /**
   * Take the query of the running `query` hook out of the pool; the hook must then return DEFER. Returns a ticket, or
   * undefined where too many queries wait (return FAIL or CONTINUE then). After `deadlineMs` (1–10 000) without
   * `resume` the query fails.
   */
  defer(query: Query, deadlineMs: number): Ticket | undefined;
  /**
   * Go on with a deferred query: `verdict` as if the hook had returned it; for ANSWER, `write` puts the reply into the
   * restored query. A ticket whose deadline has passed, or that was used, is ignored: returns false.
   */
  resume(ticket: Ticket, verdict: Verdict, write?: (query: Query) => void): boolean;
  /** Ask the source in the background: the answer goes into the cache. Not where the question is being asked already. */
  refresh(question: Question): void;
}

/** Stands for a deferred query. */
export interface Ticket {
  readonly token: number;
  readonly generation: number;
}

/** Configuration that plugins may rely on, whatever their own options. */
export interface ServerFacts {
  /** `server.access` as written: networks that may ask at all. */
  readonly access: readonly string[];
  /** Workers that share the packets: what is bounded for the whole server is divided by it. */
  readonly workers: number;
  /** View `n` of a query (`query.view`) is `views[n - 1]`. */
  readonly views?: readonly ViewFacts[];
  readonly notice: NoticeFacts;
}

/** `views`: what some clients meet instead of the top level of the configuration. */
export interface ViewFacts {
  readonly name: string;
  /** Who of its clients may ask, where `server.access` does not decide it. Networks as written; the most specific one decides. */
  readonly access?: {
    /** Absent: who is in no network of these is up to `server.access`. */
    readonly allow?: readonly string[];
    readonly refuse: readonly string[];
    readonly drop: readonly string[];
  };
}

/** `notice`: where a block may lead, and whom a subscriber turns to. Whatever is not configured is absent. */
export interface NoticeFacts {
  /** Addresses of the notice page. */
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly operator?: string;
  /** A URI. */
  readonly contact?: string;
  /** Address of the opt-out portal, http:// or https://. */
  readonly portal?: string;
}

/** What `control` is given, once, in the main thread. */
export interface ControlContext<Options> {
  readonly options: Options;
  readonly server: ServerFacts;
  /** The lists as configured. */
  readonly lists: readonly ListFacts[];
  readonly log: Logger;
  readonly clock: Clock;
  /**
   * `work` runs each `ms`, until what is returned is called or the plugin is closed: what a test drives with its clock. It keeps no
   * process alive. What it throws ends the process: catch what may fail.
   */
  every(ms: number, work: () => void): () => void;
  /** Where notices to subscribers are kept; undefined where the configuration knows no subscribers. */
  readonly notices: NoticeDesk | undefined;
  /** The same as in `DataContext`: tables that workers look into can be built here. */
  readonly hashKey: readonly [number, number];
  /**
   * What is to outlive a reload, one for each plugin: a store that only one may write to, numbers that start over at no
   * reload. While a reload is under way both configurations hold the same. `make` is called where there is none yet;
   * `close` when no configuration holds it any more.
   */
  lasting<T extends { close(): void | Promise<void> }>(make: () => T): T;
  /** Workers of this configuration: `data` runs in each, as number 0 to this less 1, again where one was replaced. */
  readonly workers: number;
  /** The audit log: whoever reads or changes what concerns a subscriber's communication leaves an entry here first. */
  readonly audit: Auditor;
  /** Puts proposals of a diagnosis in force: for plugins that propose. */
  readonly measures: Pick<RulesDesk, 'apply' | 'carries' | 'preview' | 'sees' | 'list' | 'watchIncidents'>;
  /** Temporary rules: previewed, in force, renewed, lifted; kept, watched and ended by the desk, whatever becomes of this process. */
  readonly rules: DeskRules;
  /** Whether one person may ask for a measure and approve it (grounds/approval.ts). */
  readonly approval: Approval;
  /** Runs before an operator sets the server's time back: what has ended by then has to be on record, or it returns. */
  beforeTimeIsSetBack(record: () => void | Promise<void>): void;
  /** This plugin matches rules in a table of its own, which it builds from what the desk publishes. Once, in `control`. */
  carryRules(carrier: RuleCarrier): void;
  /** What `/metrics` shows under a name at this moment, all workers together: one sample per set of labels. */
  samples(name: string): readonly MetricSample[];
  /** Folder of this plugin's own files, below `server.data`; made on first use. */
  dataFolder(): string;
  /**
   * Hand `value` to the `update` hook of every worker, and to that of each worker that starts later. Plain data and
   * SharedArrayBuffers; the latest replaces what was published before. Resolves when all workers hold it (some
   * milliseconds); rejects where an `update` threw.
   */
  publish(value: unknown): Promise<void>;
  /** Declare a number of the main thread, as in `DataContext`; set it in `numbers`. */
  counter(name: string, help: string, labels?: Record<string, string>): number;
  gauge(name: string, help: string, labels?: Record<string, string>): number;
  readonly numbers: Float64Array;
  /**
   * Add admin routes; they appear below `/v1/<plugin>/` and need a token with a role the route names. Each says what it leaves
   * in the audit log, or the server does not start: `config: { roles, audit: { of: 'change', actions: ['<plugin>.<verb>'] } }`
   * for a change of what is enforced or kept, `of: 'read'` for one that shows names, addresses or subscribers (take its
   * purpose as PURPOSE and write `audit.record(readOf(identity, action, reason, detail))` first), or `noAudit: '<why>'`. An answer
   * of success without the entry never leaves. What a request holds and what is answered is declared in zod (`schema: { params,
   * querystring, body, response }`): unknown members are refused, and the handler's types and the API's description come from it.
   */
  routes(register: (app: AdminApi) => void): void;
  /** Runs when the plugin is replaced by a reload or the server stops. */
  onClose(close: () => void | Promise<void>): void;
}

/** The rules desk as a plugin sees it. */
export type DeskRules = Pick<
  RulesDesk,
  'entries' | 'add' | 'conflictOf' | 'renew' | 'lift' | 'changes' | 'takeUncounted' | 'warnings' | 'slots'
>;

/** What the control half hands over. */
export interface Control {
  /** Structured-cloneable; handed to `data` in every worker. */
  readonly shared?: unknown;
}

export interface Plugin<Schema extends z.ZodObject = z.ZodObject> {
  /** Lower-case, dashes; the key in the configuration and the label in metrics. */
  readonly name: string;
  /** The CONTRACT_VERSION that it was written for, as a number; `sekisho plugin new` writes it. Without it: this one. */
  readonly contract?: number;
  readonly stage: Stage;
  /** One line for `sekisho check` and the plugin list. */
  readonly summary: string;
  readonly options: Schema;
  /**
   * Of a built-in plugin: the least to write after its name in the configuration, as YAML on one line; without it `{}`. Whoever
   * asks for its routes or commands where it is not configured is told this.
   */
  readonly toConfigure?: string;
  /**
   * Categories of lists that it acts on; what nothing acts on is said by `sekisho check` and `explain`. It counts what a list has decided
   * in a counter `hits` with the label `list`, and with `dry_run` where rules of one list may differ in that: `sekisho lists` shows it.
   */
  readonly listCategories?: readonly ListCategory[];
  /**
   * Proposals of a diagnosis can be put in force in it: its hooks look at `DataContext.measures`, or its control half takes
   * rules with `carryRules`. 'misses': it looks in its `miss` hook, and so sees nothing of queries that the cache answers.
   */
  readonly carriesMeasures?: boolean | 'misses';
  /**
   * Actions of the audit log under which it records what it deletes, with `detail: { deletions: [{ dataset, rows }] }`: the transparency
   * report adds them up.
   */
  readonly deletions?: readonly string[];
  /**
   * Commands of the command line, by name, each brought in when it is used (`sekisho/plugin/commands`). They ask the plugin's routes. A name
   * that Sekisho has already is not taken.
   */
  readonly commands?: { readonly [name: string]: CommandLoader };
  /**
   * Why no view can switch it off or make it a dry run, as the end of a sentence that begins with its name. Without it a view can:
   * then its `packet`, `query`, `answer` and `observe` hooks do not run for the view's clients, or their verdicts are counted and what
   * they wrote is taken back. `query.dryRun` says so while such a hook runs: leave no other trace then, such as a notice.
   * Lists that do not apply in a view are not in `query.lists`: take `query.lists` into every mask that you look up with.
   */
  readonly sameInAllViews?: string;
  /**
   * What the schema cannot say, e.g. two rules that contradict each other. Returns all problems, each with the path to
   * the option it is about, so that the error names its line.
   */
  check?(options: z.infer<Schema>, server: ServerFacts): Problem[];
  control?(context: ControlContext<z.infer<Schema>>): Control | Promise<Control> | undefined;
  data?(context: DataContext<z.infer<Schema>>): Hooks;
}

export interface Problem {
  /** Path below the plugin's options, e.g. `['rules', 2, 'name']`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const PLUGIN_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** The plugin was made for another version of the contract. */
export class ContractError extends TypeError {
  constructor(name: string, made: unknown) {
    super(
      `plugin ${name} was made for version ${String(made)} of the plugin contract, and this server has version ${CONTRACT_VERSION}`,
    );
    this.name = 'ContractError';
  }
}

/** Declare a plugin. Throws where the declaration itself is wrong. */
export function definePlugin<Schema extends z.ZodObject>(plugin: Plugin<Schema>): Plugin<Schema> {
  if (!PLUGIN_NAME.test(plugin.name))
    throw new TypeError(`plugin name '${plugin.name}' is not of the form ${PLUGIN_NAME.source}`);
  if (!STAGES.includes(plugin.stage))
    throw new TypeError(`plugin ${plugin.name}: stage '${plugin.stage}' is none of ${STAGES.join(', ')}`);
  if (plugin.contract !== undefined && plugin.contract !== CONTRACT_VERSION)
    throw new ContractError(plugin.name, plugin.contract);
  if (!(plugin.options instanceof z.ZodObject))
    throw new TypeError(`plugin ${plugin.name}: options must be a z.strictObject`);
  // Without this a misspelt option would be dropped in silence.
  return { ...plugin, options: plugin.options.strict() as unknown as Schema };
}
