/**
 * Keeps the server and the authorities behind it up when a botnet asks for names that do not exist (ランダムサブドメイン攻撃,
 * guideline (エ)): only misses, only of the zone whose authority is in trouble, never what is known to exist. How:
 * README.md; when a zone is in trouble: zone-table.ts.
 */

import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import {
  CACHE_STALE,
  CONTINUE,
  definePlugin,
  durationMs,
  durationSeconds,
  EDE,
  FAIL,
  faultOf,
  NameError,
  nameToText,
  PURPOSE,
  type Query,
  type Question,
  RESOLVED_ANSWER,
  RESOLVED_FAILURE,
  RESOLVED_NODATA,
  RESOLVED_NOT_ASKED,
  RESOLVED_UNREACHABLE,
  readOf,
  sizeBytes,
  textToName,
  type Verdict,
  z,
} from '../../src/contract/plugin.ts';
import { createKnownMemory, KnownNames, knownMemoryBytes } from './known-names.ts';
import { loadKnownNames, saveKnownNames } from './known-names-file.ts';
import { ZoneFinder } from './zone-finder.ts';
import {
  copyZoneMemory,
  createZoneMemory,
  KNOWN,
  OVER_LIMIT,
  PASS,
  SPARED,
  sameSize,
  UNKNOWN,
  type ZoneLimits,
  type ZoneMemory,
  ZoneTable,
} from './zone-table.ts';

const options = z.strictObject({
  limit: z
    .int()
    .min(1)
    .max(100_000)
    .default(50)
    .describe(
      'Queries a second that are sent to a zone in trouble, repeated ones included; half of it is left to names known to exist. They also find out when it is well again.',
    ),
  outstanding: z
    .int()
    .min(16)
    .max(4096)
    .default(400)
    .describe(
      'Questions of one zone that may wait for an upstream at once; when it is reached the zone is in trouble.',
    ),
  'slow-after': durationMs({ min: '50ms', max: '30s' })
    .prefault('1s')
    .describe('An answer that takes longer counts as a failure of its zone.'),
  least: z
    .int()
    .min(1)
    .max(10_000)
    .default(20)
    .describe(
      'Questions within about 10 s before a zone can be found to be in trouble; half of them must have failed.',
    ),
  exempt: z.array(z.string()).max(10_000).default([]).describe('Registered domains that are never limited.'),
  zones: z
    .int()
    .min(64)
    .max(1 << 20)
    .default(4096)
    .describe('Registered domains that each worker watches; those asked longest ago are forgotten first.'),
  'known-names': z
    .strictObject({
      size: sizeBytes({ min: '64KiB', max: '1GiB' })
        .prefault('8MiB')
        .describe('Memory for names seen to exist; 8 MiB tell about 7 million from strangers.'),
      keep: durationSeconds({ min: '1h', max: '30d' })
        .prefault('7d')
        .describe('A name is forgotten after half of this at the earliest and all of it at the latest.'),
    })
    .prefault({})
    .describe('The filter of names that exist, kept over restarts.'),
  'dry-run': z.boolean().default(false).describe('Only count what would be refused.'),
});

type Options = z.infer<typeof options>;

/** What the main thread hands to the workers: one table each, and the filter for all. */
interface Shared {
  readonly zones: readonly ZoneMemory[];
  readonly known: SharedArrayBuffer;
}

const SAVE_MS = 10 * 60_000;
const ROTATE_MS = 60_000;
/** Filters of this process by file: a reload goes on with what it has. */
const held = new Map<string, SharedArrayBuffer>();

export default definePlugin({
  name: 'random-subdomain',
  stage: 'policy',
  sameInAllViews: 'is about what is sent to the authorities of a zone, whoever asked for it',
  carriesMeasures: true,
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
  control({ options, server, dataFolder, clock, log, audit, routes, onClose }) {
    const { size, keep } = options['known-names'];
    const file = join(dataFolder(), 'known-names.bin');
    const seconds = () => Math.floor(clock.wallMs() / 1000);
    let memory = held.get(file);
    if (memory?.byteLength !== knownMemoryBytes(size)) {
      memory = createKnownMemory(size, seconds(), () => randomInt(2 ** 32));
      const loaded = loadKnownNames(file, memory);
      log.info({ loaded, names: new KnownNames(memory).entered }, 'names known to exist');
      held.set(file, memory);
    }
    const known = new KnownNames(memory);
    const kept = memory;
    // One at a time, and the last one is of the end.
    let saving = Promise.resolve();
    const save = () => {
      saving = saving
        .then(() => saveKnownNames(file, kept))
        .catch((error: unknown) => log.error({ fault: faultOf(error) }, 'the known names could not be saved'));
      return saving;
    };
    const timers = [
      setInterval(() => void save(), SAVE_MS),
      setInterval(() => known.rotate(seconds(), keep), ROTATE_MS),
    ];
    for (const timer of timers) timer.unref();
    onClose(() => {
      for (const timer of timers) clearInterval(timer);
      return save();
    });

    const zones = Array.from({ length: server.workers }, () => createZoneMemory(options.zones));
    routes((app) => {
      app.get<{ Querystring: { reason?: string } }>(
        '/zones',
        {
          config: { roles: ['operator', 'security'], audit: { of: 'read', actions: ['random-subdomain.zones'] } },
          schema: {
            summary: 'Registered domains in trouble now, as each worker sees them; kept in memory only. Audited',
            querystring: { type: 'object', additionalProperties: false, properties: { reason: PURPOSE } },
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
    return { shared: { zones, known: memory } satisfies Shared };
  },
  data({ options, server, shared, worker, hashKey, clock, random32, counter, counters, refresh, measures }) {
    const parts = (shared as Shared | undefined) ?? alone(options, random32);
    // A rehearsal spends of a copy, made anew for each: zones as the first worker sees them.
    const seen = parts.zones[Math.max(0, worker)] ?? createZoneMemory(options.zones);
    const memory = worker < 0 ? sameSize(seen) : seen;
    const zones = tableOf(options, memory, server.workers, hashKey);
    if (worker >= 0) zones.forgetOutstanding();
    const known = new KnownNames(parts.known);
    const finder = new ZoneFinder(zones, () => clock.nowMs(), setImmediate);
    // A table of the same kind, so that an exempt domain costs what any other does.
    const exempt = exemptZones(options, hashKey);
    const dryRun = options['dry-run'];
    const refused = (reason: string) =>
      counter('refused', 'Misses that were not asked upstream.', { reason, dry_run: String(dryRun) });
    const overLimit = refused('limit');
    const tooMuch = refused('outstanding');
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
      'Questions not sent again, or not fetched ahead, because their zone is in trouble.',
    );
    const learnt = counter('names_learnt', 'Names that became known.');
    const troubles = counter('zones_troubled', 'Times that a zone was found to be in trouble.');
    let inTrouble = zones.inTrouble;

    return {
      miss: worker < 0 ? rehearsedMiss : miss,
      again(question) {
        const zone = finder.peek(question);
        if (zone < 0 || !zones.isInTrouble(zone) || isExempt(question)) return true;
        if (zones.spend(zone, known.has(question) ? SPARED : UNKNOWN, clock.nowMs()) || dryRun) return true;
        counters[unrepeated]! += 1;
        return false;
      },
      resolved(question, outcome, elapsedMs, _sent, background) {
        const zone = finder.find(question);
        if (zone < 0) return;
        if (outcome === RESOLVED_NOT_ASKED) {
          zones.withdraw(zone);
          return;
        }
        if (!background) zones.release(zone);
        // That no server answers anything is not the zone's doing.
        if (outcome === RESOLVED_UNREACHABLE) return;
        const nowMs = clock.nowMs();
        zones.judge(zone, outcome >= RESOLVED_FAILURE, elapsedMs, nowMs);
        noteTrouble();
        if (outcome !== RESOLVED_ANSWER && outcome !== RESOLVED_NODATA) return;
        // What stands in the older generation alone is put into the newer one at no cost to its zone.
        if (!known.has(question) && !zones.mayLearn(zone, nowMs)) return;
        if (known.add(question)) counters[learnt]! += 1;
      },
      explain(query) {
        const measure = measures.explain(query);
        if (measure !== undefined) return { reason: `the cache missing: ${measure}` };
        const zone = finder.peek(query.question);
        const troubled = zone >= 0 && zones.isInTrouble(zone);
        if (!troubled) return { reason: 'its zone is not in trouble as the first worker sees it' };
        if (isExempt(query.question)) return { reason: 'its zone is in trouble, but exempt' };
        const limits = `the cache missing, ${options.limit} queries a second are sent${dryRun ? ' (dry run: all)' : ''}`;
        const reason = known.has(query.question)
          ? 'its zone is in trouble; the name is known to exist: something stale, else asked for ahead of others'
          : `its zone is in trouble and the name is not known: ${limits}`;
        return { reason };
      },
    };

    function miss(query: Query): Verdict {
      // A measure of the operator comes before what the plugin finds out by itself; what is known to exist passes.
      if (measures.count > 0 && measures.overLimit(query, known.has(query.question)) >= 0) {
        counters[overMeasure]! += 1;
        // RFC 8914 §4.24: Network Error.
        query.ede = EDE.NETWORK_ERROR;
        return FAIL;
      }
      const zone = finder.find(query.question);
      if (zone < 0) return CONTINUE;
      if (exempt !== undefined && zones.isInTrouble(zone) && isExempt(query.question)) {
        zones.passAnyway(zone);
        return CONTINUE;
      }
      const isKnown = zones.isInTrouble(zone) && known.has(query.question);
      // RFC 8767 §4, §5: what is stale serves at once where the authority is known not to.
      if (isKnown && !dryRun && query.cacheResult === CACHE_STALE) {
        counters[stale]! += 1;
        if (zones.spend(zone, SPARED, query.nowMs)) refresh(query.question);
        query.ede = EDE.NETWORK_ERROR;
        return FAIL;
      }
      const said = zones.ask(zone, isKnown ? KNOWN : UNKNOWN, query.nowMs);
      noteTrouble();
      if (said === PASS) {
        if (isKnown) counters[knownPassed]! += 1;
        return CONTINUE;
      }
      counters[said === OVER_LIMIT ? overLimit : tooMuch]! += 1;
      if (dryRun) {
        zones.passAnyway(zone);
        return CONTINUE;
      }
      // RFC 8914 §4.24: Network Error.
      query.ede = EDE.NETWORK_ERROR;
      return FAIL;
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
      const { name, nameLength, labelCount, labelStarts } = question;
      for (let i = 0; i < labelCount; i++)
        if ((exempt?.find(name, labelStarts[i]!, nameLength) ?? -1) >= 0) return true;
      return false;
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
  };
}

function exemptZones(options: Options, key: readonly [number, number]): ZoneTable | undefined {
  if (options.exempt.length === 0) return undefined;
  // Twice the room, so that none is pushed out of its set.
  const table = tableOf(options, createZoneMemory(16 * options.exempt.length), 1, key);
  for (const text of options.exempt) table.add(textToName(text), 1, 0);
  return table;
}
