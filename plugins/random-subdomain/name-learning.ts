/**
 * How names become known: several networks ask (candidates.ts), no wildcard answers (wildcards.ts), the zone has not had
 * its share (zone-table.ts for a few seconds, `ZoneShares` for a generation of the filter), and the filter has room.
 */
import type { Question } from '../../src/contract/plugin.ts';
import type { Candidates } from './candidates.ts';
import { AGEING, type KnownNames, YOUNG, type ZoneShares } from './known-names.ts';
import { FREE, WILDCARD, type Wildcards } from './wildcards.ts';
import type { ZoneTable } from './zone-table.ts';

/** From this share of the filter's room for new names on, one more network is wanted. */
const FULLER = 0.5;
/** Tells a zone among the candidates from the name of the same labels. */
const ZONE_CANDIDATE = 0x2545f491;

export interface LearningParts {
  readonly zones: ZoneTable;
  readonly known: KnownNames;
  readonly candidates: Candidates;
  readonly shares: ZoneShares;
  readonly wildcards: Wildcards;
  /** What is kept of a client's network. */
  networkHash(network: number): number;
  /** A name has become known. */
  learnt(): void;
  /** Ask for a name drawn at random, in the background. Borrowed. */
  probe(question: Question): void;
  /** Runs its argument on a later turn, e.g. setImmediate: a source that is being told something asks nothing. */
  later(work: () => void): void;
}

export class NameLearning {
  readonly #parts: LearningParts;
  readonly #probes: Question[] = [];
  readonly #askProbes = () => {
    for (const probe of this.#probes.splice(0)) this.#parts.probe(probe);
  };

  constructor(parts: LearningParts) {
    this.#parts = parts;
  }

  /** A single look, for every answer from the cache. */
  isCandidate(question: Question): boolean {
    return this.#parts.candidates.has(question);
  }

  /** The zone of the name that was located last is in the filter. */
  isZoneKnown(question: Question): boolean {
    const { zones, known } = this.#parts;
    if (zones.isKnownZone) return true;
    const registered = zones.registeredLabels;
    if (registered > 0) {
      if (!known.hasZone(question, registered)) return false;
      zones.setKnownZone();
      return true;
    }
    // What is registered is not known yet: of such short suffixes one is it.
    for (let labels = 2; labels <= 3 && labels <= question.labelCount; labels++)
      if (known.hasZone(question, labels)) return true;
    return false;
  }

  /** The name that was located was asked for by `network` and exists; so does its zone. */
  exists(question: Question, network: number, nowMs: number): void {
    const { zones, known, candidates, networkHash } = this.#parts;
    const labels = zones.registeredLabels;
    if (labels === 0) return;
    if (!this.isZoneKnown(question)) {
      const low = zones.registeredLow;
      const high = zones.registeredHigh ^ ZONE_CANDIDATE;
      if (candidates.note(low, high, networkHash(network), secondsOf(nowMs))) {
        candidates.remove(low, high);
        if (known.addZone(question, labels)) zones.setKnownZone();
      }
    }
    this.consider(question, network, nowMs);
  }

  /** The name that was located does not: there is no wildcard right above it. */
  doesNotExist(question: Question, nowMs: number): void {
    const { zones, wildcards } = this.#parts;
    const above = question.labelCount - 1;
    const { low, high, count } = zones.suffixes;
    if (above <= count) wildcards.set(low[above]!, high[above]!, FREE, nowMs);
  }

  /** Something that nobody waited for was resolved: it may have been about a wildcard. */
  backgroundResolved(question: Question, exists: boolean, failed: boolean, nowMs: number): void {
    const name = this.#parts.wildcards.resolved(question, exists, failed, nowMs);
    if (name !== undefined && this.#parts.zones.locate(name)) this.#enter(name, nowMs);
  }

  /** A name was asked for by `network` and exists, whoever answered. Locates it where it may become known. */
  consider(question: Question, network: number, nowMs: number): void {
    const { zones, known, candidates, wildcards, networkHash } = this.#parts;
    const age = known.ageOf(question);
    if (age === YOUNG) return;
    if (age === AGEING) {
      // Put into the newer generation at no cost to its zone.
      if (known.add(question)) this.#parts.learnt();
      return;
    }
    const more = known.taken > FULLER ? 1 : 0;
    const seconds = secondsOf(nowMs);
    if (!candidates.note(question.hashLow, question.hashHigh, networkHash(network), seconds, more)) return;
    if (!zones.locate(question)) return;
    const above = question.labelCount - 1;
    const { low, high, count } = zones.suffixes;
    if (above > count) return;
    // Above what is registered nobody has wildcards for others.
    const registered = question.labelCount <= zones.registeredLabels;
    const state = registered ? FREE : wildcards.state(low[above]!, high[above]!, nowMs);
    if (state === FREE) this.#enter(question, nowMs);
    else if (state === WILDCARD) candidates.remove(question.hashLow, question.hashHigh);
    else {
      const probe = wildcards.probe(question, low[above]!, high[above]!, nowMs);
      if (probe !== undefined && this.#probes.push(probe) === 1) this.#parts.later(this.#askProbes);
    }
  }

  /** There is evidence enough: the name that was located becomes known. */
  #enter(question: Question, nowMs: number): void {
    const { zones, known, candidates, shares } = this.#parts;
    candidates.remove(question.hashLow, question.hashHigh);
    if (known.has(question) || !zones.mayLearn(nowMs)) return;
    if (!shares.take(zones.registeredLow, zones.registeredHigh)) return;
    if (known.add(question)) this.#parts.learnt();
  }
}

function secondsOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
