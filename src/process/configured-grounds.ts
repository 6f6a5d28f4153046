/**
 * Grounds that stand in the configuration end for good, too: when the end of one has come it is recorded in the data folder, and
 * a configuration that still states it gets it marked as ended, whatever the clock says by then.
 */
import type { Config } from '../config/config.ts';
import { groundsIn, type PlacedGround } from '../grounds/configured.ts';
import { expiryMs } from '../grounds/ground.ts';
import type { TimeStore } from '../store/time-store.ts';
import type { LatestTime } from '../time/latest-time.ts';

interface EndLog {
  warn(fields: object, text: string): void;
}

/** Mark those of `config` whose end is on record. Before anything reads their ends. */
export function markEndedGrounds(config: Config, store: Pick<TimeStore, 'hasEnded'>): void {
  for (const { ground } of groundsOf(config)) if (store.hasEnded(ground)) ground.ended ??= 'on record';
}

/** Record those whose end has come. To be called every second or so. Throws what the disk does. */
export function recordEndedGrounds(config: Config, store: TimeStore, time: LatestTime, log: EndLog): void {
  const termMs = time.termMs();
  // In doubt nothing acts, but nothing has ended for certain.
  if (!Number.isFinite(termMs)) return;
  for (const { ground, path } of groundsOf(config)) {
    const endsMs = expiryMs(ground);
    if (ground.ended !== undefined || endsMs === undefined || endsMs > termMs) continue;
    store.recordEnd(ground, termMs);
    ground.ended = new Date(endsMs).toISOString();
    time.flush();
    log.warn(
      { ground: path.join('.'), kind: ground.kind },
      'a ground in the configuration has expired: what relies on it no longer acts',
    );
  }
}

/** Found once: a configuration does not change while it is in force. */
const found = new WeakMap<Config, readonly PlacedGround[]>();

/** Those of all sections, whoever declares them. */
function groundsOf(config: Config): readonly PlacedGround[] {
  const { plugins, ...sections } = config;
  const grounds = found.get(config) ?? [
    ...groundsIn(sections),
    ...plugins.flatMap(({ name, options }) => groundsIn(options, ['plugins', name])),
  ];
  found.set(config, grounds);
  return grounds;
}
