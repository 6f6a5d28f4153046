/**
 * Keeps the server, the upstream and the authorities behind it up when a botnet asks for names that do not exist
 * (ランダムサブドメイン攻撃, guideline (エ)): only misses, only of the zone that is in trouble, never what is known to exist; and of
 * what is sent in vain, all zones together, no more than a budget. How: README.md. When a zone is in trouble:
 * zone-table.ts; who gets how much of the budget: failing-budget.ts; what becomes known: candidates.ts, wildcards.ts.
 */

import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import {
  CACHE_HIT,
  CACHE_STALE,
  CONTINUE,
  definePlugin,
  EDE,
  FAIL,
  faultOf,
  type Hooks,
  NameError,
  nameToText,
  PURPOSE,
  type Query,
  type Question,
  RESOLVED_ANSWER,
  RESOLVED_FAILURE,
  RESOLVED_NODATA,
  RESOLVED_NOT_ASKED,
  RESOLVED_NXDOMAIN,
  RESOLVED_UNREACHABLE,
  readOf,
  textToName,
  type Verdict,
  z,
} from '../../src/contract/plugin.ts';
import { Candidates, createCandidateMemory } from './candidates.ts';
import { FailingBudget, KNOWN_SHARE, NEW_SHARE, REPEATED_SHARE, SUSPECT_SHARE } from './failing-budget.ts';
import { InFlight } from './in-flight.ts';
import { createKnownMemory, createShareMemory, KnownNames, knownMemoryBytes, ZoneShares } from './known-names.ts';
import { loadKnownNames, saveKnownNames } from './known-names-file.ts';
import { NameLearning } from './name-learning.ts';
import { ClientNetworks } from './networks.ts';
import { type Options, options } from './options.ts';
import { Wildcards } from './wildcards.ts';
import { ZoneFinder } from './zone-finder.ts';
import {
  copyZoneMemory,
  createZoneMemory,
  FAILING,
  KNOWN,
  OVER_LIMIT,
  PASS,
  SPARED,
  sameSize,
  UNKNOWN,
  WELL,
  type ZoneLimits,
  type ZoneMemory,
  ZoneTable,
} from './zone-table.ts';

/** What the main thread hands to the workers: one table each, and the filter for all. */
interface Shared {
  readonly zones: readonly ZoneMemory[];
  readonly known: SharedArrayBuffer;
  readonly candidates: SharedArrayBuffer;
  /** How many names each zone has put into the filter's newer generation. */
  readonly shares: SharedArrayBuffer;
}

const SAVE_MS = 10 * 60_000;
const ROTATE_MS = 60_000;
/** So many seconds of the budget may be under way at once, and a few at least. */
const UNDER_WAY_SECONDS = 1.5;
const MIN_UNDER_WAY = 32;

/** Filters of this process by file: a reload goes on with what it has. */
const held = new Map<string, SharedArrayBuffer>();

export default definePlugin({
  name: 'random-subdomain',
  stage: 'policy',
  sameInAllViews: 'is about what is sent to the authorities of a zone, whoever asked for it',
  carriesMeasures: 'misses',
  summary: 'limits misses of zones whose authority is in trouble, save for names known to exist',
  options,
  check({ exempt }) {
    return exempt.flatMap((text, i) => {
      try {
        textToName(text);
        return [];
      } catch (error) {
        if (!(error instanceof NameError)) throw error;
        return [{ path: ['exempt', i], message: `'${text}' ${error.message}` }];
      }
    });
  },
  control({ options, server, dataFolder, clock, every, log, audit, routes, onClose }) {
    const { size, keep } = options['known-names'];
    const file = join(dataFolder(), 'known-names.bin');
    const seconds = () => Math.floor(clock.wallMs() / 1000);
    let memory = held.get(file);
    if (memory?.byteLength !== knownMemoryBytes(size)) {
      memory = createKnownMemory(size, seconds(), () => randomInt(2 ** 32));
      const loaded = loadKnownNames(file, memory);
      log.info({ loaded, names: new KnownNames(memory).entered }, 'loaded known names');
      held.set(file, memory);
    }
    const known = new KnownNames(memory);
    const kept = memory;
    const shares = createShareMemory();
    // One at a time, and the last one is of the end.
    let saving = Promise.resolve();
    const save = () => {
      saving = saving
        .then(() => saveKnownNames(file, kept))
        .catch((error: unknown) => log.error({ fault: faultOf(error) }, 'failed to save the known names'));
      return saving;
    };
    const stops = [
      every(SAVE_MS, () => void save()),
      every(ROTATE_MS, () => {
        if (known.rotate(seconds(), keep)) new ZoneShares(shares, size).clear();
      }),
    ];
    onClose(() => {
      for (const stop of stops) stop();
      return save();
    });

    const zones = Array.from({ length: server.workers }, () => createZoneMemory(options.zones));
    routes((app) => {
      app.get(
        '/zones',
        {
          config: { roles: ['operator', 'security'], audit: { of: 'read', actions: ['random-subdomain.zones'] } },
          schema: {
            summary: 'Zones in trouble now, as each worker sees them; kept in memory only. Audited',
            querystring: z.strictObject({ reason: PURPOSE }),
          },
        },
        async ({ query, identity }) => {
          audit.record(readOf(identity, 'random-subdomain.zones', query.reason, {}));
          return {
            zones: zones.flatMap((one, worker) =>
              tableOf(options, one, server.workers, [0, 0])
                .troubled()
                .map(({ name, outstanding, failedShare }) => ({
                  zone: nameToText(name),
                  worker,
                  outstanding,
                  failedShare,
                })),
            ),
          };
        },
      );
    });
    return { shared: { zones, known: memory, candidates: createCandidateMemory(), shares } satisfies Shared };
  },
  data({ options, server, shared, worker, hashKey, clock, random32, counter, counters, refresh, measures }): Hooks {
    const parts = (shared as Shared | undefined) ?? alone(options, random32);
    // A rehearsal spends of a copy, made anew for each: zones as the first worker sees them.
    const seen = parts.zones[Math.max(0, worker)] ?? createZoneMemory(options.zones);
    const memory = worker < 0 ? sameSize(seen) : seen;
    const zones = tableOf(options, memory, server.workers, hashKey);
    if (worker >= 0) zones.forgetOutstanding();
    const finder = new ZoneFinder(zones, () => clock.nowMs(), setImmediate);
    const inFlight = new InFlight();
    const networks = new ClientNetworks(hashKey);
    const rate = options['failing-budget'] / server.workers;
    const budget = new FailingBudget(rate, Math.max(MIN_UNDER_WAY, rate * UNDER_WAY_SECONDS));
    // A table of the same kind, so that an exempt domain costs what any other does.
    const exempt = exemptZones(options, hashKey);
    const dryRun = options['dry-run'];
    const refused = (reason: string) =>
      counter('refused', 'Misses that were not asked upstream.', { reason, dry_run: String(dryRun) });
    const overLimit = refused('limit');
    const tooMuch = refused('outstanding');
    const overBudget = refused('budget');
    const overMeasure = counter('refused', 'Misses that were not asked upstream.', {
      reason: 'measure',
      dry_run: 'false',
    });
    const knownPassed = counter('known_passed', 'Misses of zones in trouble that passed: the name is known to exist.');
    const stale = counter(
      'stale_first',
      'Misses of names known to exist that were answered with something stale at once, their zone being in trouble.',
    );
    const unrepeated = counter(
      'unrepeated',
      'Questions not sent again, or not fetched ahead, because their zone is in trouble or much else fails.',
    );
    const learnt = counter('names_learnt', 'Names that became known.');
    const probed = counter(
      'wildcard_questions',
      'Names drawn at random that were asked for, to find out about wildcards.',
    );
    const troubles = counter('zones_troubled', 'Times that a zone was found to be in trouble.');
    const known = new KnownNames(parts.known);
    const { networks: wanted, over: overSeconds, size } = options['known-names'];
    const learning = new NameLearning({
      zones,
      known,
      candidates: new Candidates(parts.candidates, { networks: wanted, overSeconds }),
      shares: new ZoneShares(parts.shares, size),
      wildcards: new Wildcards(hashKey, random32),
      networkHash: (network) => networks.hashOf(network),
      learnt: () => {
        counters[learnt]! += 1;
      },
      probe: (question) => {
        counters[probed]! += 1;
        refresh(question);
      },
      later: setImmediate,
    });
    let inTrouble = zones.inTrouble;

    return {
      miss: worker < 0 ? rehearsedMiss : miss,
      again,
      resolved,
      observe(query) {
        // Who is answered from the cache has asked as well.
        if (query.cacheResult !== CACHE_HIT || !learning.isCandidate(query.question)) return;
        learning.consider(query.question, networks.of(query), query.nowMs);
      },
      explain(query) {
        const measure = measures.explain(query);
        if (measure !== undefined) return { reason: `the cache missing: ${measure}` };
        const { question } = query;
        zones.locate(question);
        if (!zones.isInTrouble()) return { reason: 'its zone is not in trouble as the first worker sees it' };
        if (isExempt(question)) return { reason: 'its zone is in trouble, but exempt' };
        const limits = `the cache missing, ${options.limit} queries a second are sent${dryRun ? ' (dry run: all)' : ''}`;
        const reason = known.has(question)
          ? 'its zone is in trouble; the name is known to exist: something stale, else asked for ahead of others'
          : `its zone is in trouble and the name is not known: ${limits}`;
        return { reason };
      },
    };

    function miss(query: Query): Verdict {
      const { question, nowMs } = query;
      // A measure of the operator comes before what the plugin finds out by itself; what is known to exist passes.
      if (measures.count > 0 && measures.overLimit(query, known.has(question)) >= 0) {
        counters[overMeasure]! += 1;
        return refuse(query);
      }
      const located = zones.locate(question);
      const standing = zones.standing(nowMs);
      const network = networks.of(query);
      const troubled = standing === FAILING && zones.isInTrouble();
      if (standing !== WELL && exempt !== undefined && isExempt(question)) {
        zones.passAnyway();
        return pass(question, located, 0, network, false, true);
      }
      const isKnown = troubled && known.has(question);
      // RFC 8767 §4, §5: what is stale serves at once where the authority is known not to.
      if (isKnown && !dryRun && query.cacheResult === CACHE_STALE) {
        counters[stale]! += 1;
        if (budget.may(SUSPECT_SHARE, nowMs) && zones.spend(SPARED, nowMs)) refresh(question);
        return refuse(query);
      }
      const clean = standing === WELL || networks.isClean(network, nowMs);
      let because = -1;
      if (standing !== WELL && !budget.may(shareOf(question, standing, isKnown, clean), nowMs)) because = overBudget;
      else {
        const said = zones.ask(question, isKnown ? KNOWN : UNKNOWN, nowMs);
        if (said !== PASS) because = said === OVER_LIMIT ? overLimit : tooMuch;
      }
      noteTrouble();
      if (because >= 0) {
        counters[because]! += 1;
        if (!dryRun) return refuse(query);
        zones.passAnyway();
      } else if (isKnown) counters[knownPassed]! += 1;
      return pass(question, located, standing === WELL ? 0 : 1, network, isKnown, clean);
    }

    /** What part of the budget is open to a question of a zone that is not well. */
    function shareOf(question: Question, standing: number, isKnown: boolean, clean: boolean): number {
      if (isKnown) return KNOWN_SHARE;
      if (standing === FAILING) return SUSPECT_SHARE;
      if (learning.isZoneKnown(question)) return KNOWN_SHARE;
      return clean ? NEW_SHARE : SUSPECT_SHARE;
    }

    function pass(
      question: Question,
      located: boolean,
      charged: number,
      network: number,
      isKnown: boolean,
      clean: boolean,
    ): Verdict {
      if (worker < 0) return CONTINUE;
      finder.passed(question, located);
      const zone = zones.onlyZone;
      const tag = zone < 0 ? 0 : zones.tagOf(zone);
      if (!inFlight.put(question, zones.passedAt, charged, network, isKnown, clean, zone, tag)) {
        zones.release(zones.passedAt);
        return CONTINUE;
      }
      if (charged > 0) {
        budget.charge(charged);
        networks.add(network, charged);
      }
      return CONTINUE;
    }

    /** RFC 8914 §4.24: Network Error. */
    function refuse(query: Query): Verdict {
      query.ede = EDE.NETWORK_ERROR;
      return FAIL;
    }

    function again(question: Question): boolean {
      const nowMs = clock.nowMs();
      zones.locate(question);
      const waits = inFlight.has(question);
      if (waits) {
        zones.late(nowMs);
        noteTrouble();
      }
      if (isExempt(question)) return true;
      const standing = zones.standing(nowMs);
      // One that has answered all along may have lost a packet, unless so much fails that everybody is short of it.
      if (standing === WELL && budget.used < 1) return true;
      const mayFail = budget.may(waits && inFlight.isClean(question) ? SUSPECT_SHARE : REPEATED_SHARE, nowMs);
      const worth = zones.isInTrouble() && known.has(question) ? SPARED : UNKNOWN;
      if (!(mayFail && zones.spend(worth, nowMs)) && !dryRun) {
        counters[unrepeated]! += 1;
        return false;
      }
      if (waits) {
        budget.charge(1);
        inFlight.chargeMore(question, 1);
      }
      return true;
    }

    function resolved(
      question: Question,
      outcome: number,
      elapsedMs: number,
      sent: number,
      background: boolean,
      zoneAt: number,
    ): void {
      const nowMs = clock.nowMs();
      const announced = !background && inFlight.take(question);
      const { levels, charged, network } = inFlight;
      // Of what is answered and is well, as most is, one zone has to know.
      const resumed =
        announced && outcome === RESOLVED_ANSWER && zoneAt < 0 && zones.resume(inFlight.zone, inFlight.tag);
      const located = resumed || zones.locate(question);
      if (announced && outcome === RESOLVED_NOT_ASKED) zones.withdraw(levels);
      else if (announced) zones.release(levels);
      // That no server answers anything is not the zone's doing.
      if (outcome === RESOLVED_NOT_ASKED || outcome === RESOLVED_UNREACHABLE) {
        if (announced) settle(charged, network);
        return;
      }
      const failed = outcome >= RESOLVED_FAILURE;
      if (failed) budget.charge(Math.max(0, sent - (announced ? charged : 0)));
      else {
        budget.answered(nowMs);
        if (announced) settle(charged, network);
        if (zoneAt >= 0 && located) learnCut(question, zoneAt, nowMs);
      }
      zones.judge(failed, elapsedMs, nowMs);
      if (announced && inFlight.known) zones.judgeKnown(failed || elapsedMs >= options['slow-after']);
      noteTrouble();
      const exists = outcome === RESOLVED_ANSWER || outcome === RESOLVED_NODATA;
      if (background) learning.backgroundResolved(question, exists, failed, nowMs);
      else if (exists && announced) learning.exists(question, network, nowMs);
      else if (outcome === RESOLVED_NXDOMAIN) learning.doesNotExist(question, nowMs);
    }

    /** What was charged was not in vain. */
    function settle(charged: number, network: number): void {
      if (charged === 0) return;
      budget.giveBack(charged);
      networks.add(network, -charged);
    }

    function learnCut(question: Question, zoneAt: number, nowMs: number): void {
      for (let i = 0; i < question.labelCount; i++) {
        if (question.labelStarts[i] !== zoneAt) continue;
        zones.learnCut(question, question.labelCount - i, nowMs);
        return;
      }
    }

    function rehearsedMiss(query: Query): Verdict {
      copyZoneMemory(seen, memory);
      return miss(query);
    }

    function noteTrouble(): void {
      if (zones.inTrouble > inTrouble) counters[troubles]! += zones.inTrouble - inTrouble;
      inTrouble = zones.inTrouble;
    }

    function isExempt(question: Question): boolean {
      return exempt?.locate(question, 0) ?? false;
    }
  },
});

function tableOf(options: Options, memory: ZoneMemory, workers: number, key: readonly [number, number]): ZoneTable {
  const limits: ZoneLimits = {
    limit: options.limit / workers,
    outstanding: Math.ceil(options.outstanding / workers),
    least: options.least,
    slowMs: options['slow-after'],
  };
  return new ZoneTable(memory, limits, key);
}

/** Without a main thread: tests, and `sekisho explain`. */
function alone(options: Options, random32: () => number): Shared {
  return {
    zones: [createZoneMemory(options.zones)],
    known: createKnownMemory(options['known-names'].size, 0, random32),
    candidates: createCandidateMemory(),
    shares: createShareMemory(),
  };
}

function exemptZones(options: Options, key: readonly [number, number]): ZoneTable | undefined {
  if (options.exempt.length === 0) return undefined;
  // Twice the room, so that none is pushed out of its set.
  const table = tableOf(options, createZoneMemory(16 * options.exempt.length), 1, key);
  for (const text of options.exempt) {
    const name = textToName(text);
    table.addRegistered(name, text.split('.').length, 0);
  }
  return table;
}
