/**
 * How many questions a zone may have outstanding, so that one whose servers are slow does not take the places of all others: no
 * more than a share of the places, once half of all are taken. The root and top-level domains are nobody's own.
 */
import { labelCount, type WireName } from './name-text.ts';

/** Share of all places that one zone may take. */
const SHARE = 1 / 8;

export class ZoneShares {
  readonly #places: number;
  readonly #taken = new Map<WireName, number>();

  /** `places`: questions outstanding at once, all zones together. */
  constructor(places: number) {
    this.#places = places;
  }

  /** May a question of `zone` be taken while `outstanding` are? */
  allows(zone: WireName, outstanding: number): boolean {
    if (outstanding < this.#places / 2 || labelCount(zone) < 2) return true;
    return (this.#taken.get(zone) ?? 0) < this.#places * SHARE;
  }

  take(zone: WireName): void {
    this.#taken.set(zone, (this.#taken.get(zone) ?? 0) + 1);
  }

  give(zone: WireName): void {
    const left = (this.#taken.get(zone) ?? 0) - 1;
    if (left > 0) this.#taken.set(zone, left);
    else this.#taken.delete(zone);
  }

  /** Zones that have questions outstanding. */
  get zones(): number {
    return this.#taken.size;
  }
}
