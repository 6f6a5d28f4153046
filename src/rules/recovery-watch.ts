/** Measures whose incident is over are lifted by the server. */
import type { Clock } from '../time/clock.ts';
import type { Entry } from './entry.ts';
import type { Life } from './life.ts';
import type { Slots } from './slots.ts';

/** Rejects where the disk takes it not. */
export async function liftWhatIsOver(
  running: readonly Entry[],
  life: Life,
  parts: { readonly clock: Clock; readonly slots: Slots; carries(plugin: string): boolean },
): Promise<void> {
  for (const entry of running) {
    const { rule, recovery, monitor, slot } = entry;
    // Where nothing counts, a rate of 0 says nothing.
    if (!recovery || !parts.carries(rule.plugin)) continue;
    const total = monitor.totalAt(parts.slots.read(slot).matched);
    if (!recovery.sample(parts.clock.nowMs(), total) || rule.dryRun) continue;
    const { quiet, threshold } = recovery;
    const why = `back to normal: at most ${threshold.toFixed(1)} queries/s in each of the last ${quiet} minutes`;
    await life.liftByItself(entry, why);
  }
}
