/** Servers that do not serve a zone they were named for, remembered for a while: they are not asked for it. */
import type { WireName } from './name-text.ts';

/** Pairs of zone and server; the oldest go. */
const MAX_LAME = 8192;
const LAME_MS = 60_000;

export class LameServers {
  readonly #until = new Map<string, number>();

  add(zone: WireName, address: Int32Array, nowMs: number): void {
    const key = keyOf(zone, address);
    if (this.#until.size >= MAX_LAME) this.#until.delete(this.#until.keys().next().value!);
    // Anew at the end of the order.
    this.#until.delete(key);
    this.#until.set(key, nowMs + LAME_MS);
  }

  has(zone: WireName, address: Int32Array, nowMs: number): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(keyOf(zone, address));
    return until !== undefined && nowMs < until;
  }
}

function keyOf(zone: WireName, address: Int32Array): string {
  return `${address[0]},${address[1]},${address[2]},${address[3]} ${zone}`;
}
