/**
 * The chain, run with recording hooks on a query that is never sent: what `sekisho explain` shows.
 *
 *     Chain (chain.ts, the very one)  ◀── plugins' hooks, each wrapped so that it is noted how it decided, and why
 *                                     ◀── own names, cache, failures: the real ones, wrapped; they are read and not touched
 *                                     ◀── a source that sends nothing: it knows which servers would be asked, and which answer
 *
 * There is no second order of steps here. What the chain asks is noted as it is asked; where the source would be asked and
 * something answers there, the rehearsal ends, because nobody knows what it would say.
 */
import type { AnswerCache } from '../cache/cache.ts';
import type { FailureTable } from '../cache/failures.ts';
import {
  ANSWER,
  CONTINUE,
  DECIDING_HOOKS,
  type DecidingHook,
  type Hooks,
  type Plugin,
  type RuleMatch,
  VERDICTS,
  type Verdict,
} from '../contract/plugin.ts';
import { Metrics } from '../metrics/registry.ts';
import type { Clock } from '../time/clock.ts';
import type { ViewTable } from '../views/view-table.ts';
import { EDE, FLAG_TC, rcodeName } from '../wire/constants.ts';
import { nameToText } from '../wire/name.ts';
import { CACHE_HIT, CACHE_STALE, DROP_REASONS, type Query } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import type { Partitions } from '../zones/partitions.ts';
import { Chain, type ChainParts } from './chain.ts';
import type { MountedPlugin } from './hooks.ts';
import type { OwnNames } from './own-names.ts';
import type { ReplyRoute } from './routes.ts';
import { RESOLVING, type Source } from './source.ts';
import { SuspendedQueries } from './suspended.ts';

/** One thing that the chain asked, and what it was told. */
export interface Step {
  /** Stage of the plugin for its packet and query hooks, else `view`, `miss`, `answer`, `own names`, `cache`, `failures`, `source`. */
  readonly place: string;
  /** Plugin, or part of the server. */
  readonly who: string;
  /** One of VERDICTS, or `unknown` where only the answer will tell or the plugin does not explain itself. */
  readonly verdict: string;
  readonly reason: string;
}

/** A rule of a list that a step spoke about. */
export interface Match extends RuleMatch {
  readonly reason: string;
  /** The plugin that acts on the list. */
  readonly who: string | null;
}

/** What became of the query. */
export type Fate = 'answered' | 'dropped' | 'held' | 'asked';

export interface Rehearsed {
  readonly steps: readonly Step[];
  readonly matches: readonly Match[];
  /** `asked`: the source would be asked, and something answers there. `held`: a plugin holds it until it decides. */
  readonly fate: Fate;
  /** Plugin or part of the server that decided; null where only the source can tell. */
  readonly decidedBy: string | null;
  /** Present where the fate is `answered`. */
  readonly reply: RehearsedReply | null;
  /** Why nothing was sent, one of DROP_REASONS; null where the fate is another. */
  readonly dropReason: string | null;
}

export interface RehearsedReply {
  readonly rcode: number;
  readonly truncated: boolean;
  /** Records of its answer section. */
  readonly answers: number;
  /** Info code of the extended error (RFC 8914); EDE.NONE = none. */
  readonly ede: number;
  /** It has expired and is served because no fresh answer is available (RFC 8767). */
  readonly stale: boolean;
}

/** Where the source would ask, as the workers see it now. */
export interface Upstreams {
  /** The way of `question`, e.g. `upstream`, and its servers: `address:port`, and whether any worker gets answers. */
  way(question: Question): {
    readonly name: string;
    readonly servers: readonly { label: string; up: boolean }[];
    /** Where answers are found from the root down: what is known of the way, in words. */
    readonly path?: string;
    /** They are authorities, asked without recursion. */
    readonly stub?: boolean;
  };
}

export interface RehearsalParts extends Pick<ChainParts, 'hashKey' | 'cookies' | 'ownAddresses'> {
  /** In chain order, mounted for worker -1. */
  readonly plugins: readonly MountedPlugin[];
  readonly ownNames: Pick<OwnNames, 'decide'>;
  /** Made `untouched`. */
  readonly cache: AnswerCache;
  readonly failures: FailureTable;
  readonly upstreams: Upstreams;
  /** Zones that go another way. */
  readonly ways?: Pick<Partitions, 'decide' | 'configOf'>;
  readonly views?: ViewTable | undefined;
  readonly clock: Clock;
}

/** Let `query`, which stands as a packet that was just received and has memory for its reply, through the chain. */
export function rehearse(query: Query, parts: RehearsalParts): Rehearsed {
  const notes = new Notes();
  const chain = new Chain({
    ...parts,
    plugins: parts.plugins.map((mounted) => recorded(mounted, notes, parts.views)),
    ownNames: recordedOwnNames(parts.ownNames, notes),
    cache: new RecordedCache(parts.cache, query, notes),
    failures: recordedFailures(parts.failures, query, notes),
    localZones: parts.ways && recordedZones(parts.ways, query, notes),
    suspended: new SuspendedQueries(2),
    metrics: new Metrics(),
    log: { error: (fields) => notes.failed(fields) },
  });
  explainView(query, parts, notes);
  let last = query;
  let sent = false;
  const route: ReplyRoute = {
    prepare: (resumed) => {
      resumed.reply = query.reply;
      resumed.replyWords = query.replyWords;
      resumed.replyStart = query.replyStart;
      resumed.replyCapacity = query.replyCapacity;
      return true;
    },
    send: (resumed) => {
      sent = true;
      last = resumed;
    },
    abandon: (resumed) => {
      last = resumed;
    },
  };
  chain.routes.fill(route);
  chain.source = silentSource(chain, parts, query, notes);
  if (chain.handle(query)) sent = true;
  if (notes.asked) for (const { plugin, hooks } of parts.plugins) explainUnasked(plugin, hooks, query, notes);
  return outcomeOf(last, sent, notes);
}

function outcomeOf(query: Query, sent: boolean, notes: Notes): Rehearsed {
  const { steps, matches } = notes;
  const base = { steps, matches, decidedBy: notes.decidedBy, reply: null, dropReason: null };
  if (!sent && query.dropReason >= 0) {
    const dropReason = DROP_REASONS[query.dropReason] ?? null;
    return { ...base, fate: 'dropped', dropReason, decidedBy: notes.decidedBy ?? 'server' };
  }
  if (!sent && notes.asked) return { ...base, fate: 'asked' };
  if (!sent) return { ...base, fate: 'held' };
  const { reply, replyStart: start, rcode, ede } = query;
  const flags = (reply[start + 2]! << 8) | reply[start + 3]!;
  return {
    ...base,
    fate: 'answered',
    decidedBy: notes.decidedBy ?? 'server',
    reply: {
      rcode,
      truncated: (flags & FLAG_TC) !== 0,
      answers: (reply[start + 6]! << 8) | reply[start + 7]!,
      ede,
      stale: query.cacheResult === CACHE_STALE,
    },
  };
}

/** What was noted on the way. */
class Notes {
  readonly steps: Step[] = [];
  readonly matches: Match[] = [];
  /** The source would have been asked. */
  asked = false;
  #plugin: string | null = null;
  #server: string | null = null;

  /** A plugin outranks the parts of the server: what it answered may still have needed the cache. */
  get decidedBy(): string | null {
    return this.#plugin ?? this.#server;
  }

  plugin(plugin: Plugin, place: string, verdict: Verdict, reason: string, matches: readonly RuleMatch[] = []): void {
    for (const match of matches) this.matches.push({ ...match, reason, who: plugin.name });
    this.steps.push({ place, who: plugin.name, verdict: VERDICTS[verdict], reason });
    if (verdict !== CONTINUE) this.#plugin = plugin.name;
  }

  unknown(plugin: Plugin, place: string, reason: string): void {
    this.steps.push({ place, who: plugin.name, verdict: 'unknown', reason });
  }

  server(place: string, who: string, verdict: Verdict, reason: string): void {
    this.steps.push({ place, who, verdict: VERDICTS[verdict], reason });
    if (verdict !== CONTINUE) this.#server = who;
  }

  /** A hook threw; the chain answers SERVFAIL. */
  failed(fields: object): void {
    const { plugin = 'server', err } = fields as { plugin?: string; err?: unknown };
    const reason = `a hook failed: ${err instanceof Error ? err.message : String(err)}`;
    this.steps.push({ place: 'fault', who: plugin, verdict: 'fail', reason });
    this.#plugin = plugin;
  }
}

// ── what the chain is given ─────────────────────────────────────────────────────────────────────────────────────────

/** The plugin's deciding hooks, each noted with its reason. All else (counting, observing) does not happen. */
function recorded({ plugin, hooks }: MountedPlugin, notes: Notes, views: ViewTable | undefined): MountedPlugin {
  const wrapped: { -readonly [Name in DecidingHook]?: (query: Query) => Verdict } = {};
  for (const name of DECIDING_HOOKS) {
    const hook = hooks[name];
    if (hook) wrapped[name] = (query) => runRecorded(plugin, hooks, name, query, notes, views);
  }
  const { found } = hooks;
  return {
    plugin,
    hooks: { ...wrapped, ...(found && { found: (...given: Parameters<typeof found>) => found(...given) }) },
  };
}

function runRecorded(
  plugin: Plugin,
  hooks: Hooks,
  name: DecidingHook,
  query: Query,
  notes: Notes,
  views: ViewTable | undefined,
): Verdict {
  const place = name === 'packet' || name === 'query' ? plugin.stage : name;
  if (!hooks.explain) {
    notes.unknown(plugin, place, 'this plugin does not explain itself; it may decide otherwise');
    return CONTINUE;
  }
  const verdict = hooks[name]!(query);
  const { reason, matches } = hooks.explain(query, name, verdict);
  // The chain goes on: what the hook said is only counted.
  if (query.dryRun && verdict !== CONTINUE) {
    const view = views?.configs[query.view - 1]?.name;
    const said = `${VERDICTS[verdict]}, only counted: a dry run in view '${view}'; ${reason}`;
    notes.plugin(plugin, place, CONTINUE, said, matches);
  } else notes.plugin(plugin, place, verdict, reason, matches);
  return verdict;
}

/** Which view the query is in, and what does not run there. */
function explainView(query: Query, { views, plugins }: RehearsalParts, notes: Notes): void {
  const number = views?.find(query) ?? 0;
  const view = views?.configs[number - 1];
  if (views === undefined) return;
  if (view === undefined) {
    notes.server('view', 'server', CONTINUE, 'client and listener are in no view: the top level applies');
    return;
  }
  const off = plugins.map(({ plugin }) => plugin.name).filter((name) => views.modeOf(number, name) === 'off');
  const without = off.length > 0 ? `; off in it: ${off.join(', ')}` : '';
  notes.server('view', view.name, CONTINUE, `the first view that holds client and listener${without}`);
}

/** An answer hook that has nothing to look at yet: what would it look at? */
function explainUnasked(plugin: Plugin, hooks: Hooks, query: Query, notes: Notes): void {
  if (!hooks.answer || !hooks.explain) return;
  notes.unknown(plugin, 'answer', hooks.explain(query, 'answer', undefined).reason);
}

function recordedOwnNames(ownNames: RehearsalParts['ownNames'], notes: Notes): ChainParts['ownNames'] {
  return {
    decide(query) {
      const verdict = ownNames.decide(query);
      if (verdict === ANSWER) notes.server('own names', 'server', verdict, 'the server answers this by itself');
      return verdict;
    },
  };
}

class RecordedCache {
  readonly refreshDue = false;
  readonly #cache: AnswerCache;
  readonly #asked: Question;
  readonly #notes: Notes;

  constructor(cache: AnswerCache, { question }: Query, notes: Notes) {
    this.#cache = cache;
    this.#asked = question;
    this.#notes = notes;
  }

  serve(query: Query, staleOk: boolean): number {
    const held = this.#cache.peek(query.question, query.nowMs);
    const found = this.#cache.serve(query, staleOk);
    const about = held && `${rcodeName(held.rcode)} stored ${held.age} s ago`;
    const note = (verdict: Verdict, reason: string) =>
      this.#notes.server('cache', 'cache', verdict, `${otherName(query.question, this.#asked)}${reason}`);
    if (found === CACHE_HIT) note(ANSWER, `${about}, ${held?.ttlLeft} s left`);
    else if (found === CACHE_STALE && staleOk)
      note(ANSWER, `${about}, expired ${-(held?.ttlLeft ?? 0)} s ago, served because there is no fresh answer`);
    else if (found === CACHE_STALE)
      note(CONTINUE, `${about}, expired ${-(held?.ttlLeft ?? 0)} s ago; served only if no upstream answers`);
    else if (!staleOk) note(CONTINUE, 'nothing held under this name, type, DO and CD');
    return found;
  }
}

function recordedFailures(failures: FailureTable, { question: asked }: Query, notes: Notes): ChainParts['failures'] {
  return {
    active(question, nowMs) {
      const ede = failures.active(question, nowMs);
      if (ede < 0) return ede;
      const left = failures.secondsLeft(question, nowMs);
      const why = ede === EDE.OTHER ? '' : ` (extended error ${ede})`;
      const reason = `${otherName(question, asked)}no answer could be obtained recently${why}; not asked again for ${left} s (RFC 9520)`;
      notes.server('failures', 'failures', ANSWER, reason);
      return ede;
    },
  };
}

function recordedZones(
  ways: Pick<Partitions, 'decide' | 'configOf'>,
  { question: asked }: Query,
  notes: Notes,
): NonNullable<ChainParts['localZones']> {
  return {
    decide(query) {
      const verdict = ways.decide(query);
      if (verdict === CONTINUE) return verdict;
      const config = ways.configOf(query.question);
      const what = config?.way.kind === 'records' && config.way.specialUse ? 'special-use name' : 'records of zone';
      const reason = `${otherName(query.question, asked)}${what} '${config?.zone}': answered here, nobody is asked`;
      notes.server('zones', 'zones', verdict, reason);
      return verdict;
    },
  };
}

/** Sends nothing. Where no server answers it says so at once, as the real one does. */
function silentSource(chain: Chain, { upstreams }: RehearsalParts, { question: asked }: Query, notes: Notes): Source {
  return {
    outstanding: 0,
    // Whether some worker is asking this very question now is not known here.
    has: () => false,
    resolve(question, token) {
      const { name, servers, path, stub } = upstreams.way(question);
      const whose = otherName(question, asked);
      if (path !== undefined) {
        notes.asked = true;
        notes.server('source', name, CONTINUE, `${whose}${path}`);
        return RESOLVING;
      }
      const labels = (up: boolean) => servers.filter((server) => server.up === up).map(({ label }) => label);
      const down = labels(false);
      if (down.length === servers.length) {
        notes.server('source', name, ANSWER, `${whose}no server answers (${down.join(', ')}): nothing is sent`);
        chain.failed(token, EDE.NO_REACHABLE_AUTHORITY);
        return RESOLVING;
      }
      notes.asked = true;
      const without = down.length > 0 ? `; ${down.join(', ')} does not answer now` : '';
      notes.server(
        'source',
        name,
        CONTINUE,
        `${whose}${stub ? 'asked, without recursion, of' : 'forwarded to'} one of ${labels(true).join(', ')}${without}`,
      );
      return RESOLVING;
    },
    refresh() {},
    tick() {},
    close() {},
  };
}

/** A reply that was sent to another name is completed with that name's records. */
function otherName(question: Question, asked: Question): string {
  const name = nameToText(question.name);
  return name === nameToText(asked.name) ? '' : `${name}: `;
}
