/**
 * Which registered domain a name belongs to, without a string on the packet path.
 *
 * Domains that were seen lie in the zone table, and a name's zone is the longest of its suffixes that is there. A name
 * with none waits in a small ring; on a later turn of the event loop the public suffix list says what its domain is, and
 * from then on all names below it are found. Until then they pass: a few milliseconds, once for each domain. One name in
 * RECHECK is looked at again although it was found, so that domains below others (of public suffixes that lie below
 * somebody's domain, such as those of large hosters) come apart. A public suffix itself never gets into the table.
 */

import { getDomain } from 'tldts';
import { nameToText, type Question } from '../../src/contract/plugin.ts';
import type { ZoneTable } from './zone-table.ts';

/** Names that may wait to be looked at. */
const RING = 64;
const NAME_BYTES = 256;
/** Suffixes of more labels are no registered domains: the longest public suffixes have five. */
const MAX_LABELS = 7;
const RECHECK = 64;

export class ZoneFinder {
  readonly #zones: ZoneTable;
  readonly #nowMs: () => number;
  readonly #later: (work: () => void) => void;
  readonly #ring = new Uint8Array(RING * NAME_BYTES);
  #waiting = 0;
  #untilRecheck = RECHECK;
  #scheduled = false;
  readonly #work = () => this.#classify();

  /** `later`: runs its argument on a later turn, e.g. setImmediate. */
  constructor(zones: ZoneTable, nowMs: () => number, later: (work: () => void) => void) {
    this.#zones = zones;
    this.#nowMs = nowMs;
    this.#later = later;
  }

  /** The zone that the name belongs to, or -1 while that is not known. */
  find(question: Question): number {
    const zone = this.peek(question);
    // Names of one label are top-level domains: the root answers for them.
    if (zone < 0 ? question.labelCount >= 2 : --this.#untilRecheck <= 0) {
      if (zone >= 0) this.#untilRecheck = RECHECK;
      this.#remember(question);
    }
    return zone;
  }

  /** The same without looking at the name later. */
  peek(question: Question): number {
    const { name, nameLength, labelCount, labelStarts } = question;
    for (let labels = Math.min(labelCount, MAX_LABELS); labels >= 2; labels--) {
      const zone = this.#zones.find(name, labelStarts[labelCount - labels]!, nameLength);
      if (zone >= 0) return zone;
    }
    return -1;
  }

  #remember(question: Question): void {
    if (this.#waiting === RING) return;
    const at = this.#waiting++ * NAME_BYTES;
    for (let i = 0; i < question.nameLength; i++) this.#ring[at + i] = question.name[i]!;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#later(this.#work);
  }

  #classify(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = 0;
    for (let i = 0; i < waiting; i++) {
      const domain = registeredDomain(this.#ring.subarray(i * NAME_BYTES, (i + 1) * NAME_BYTES));
      if (domain !== undefined) this.#zones.add(domain.name, domain.labels, this.#nowMs());
    }
  }
}

/** The registered domain of a name in wire form; undefined for a public suffix and for what is no host name. */
export function registeredDomain(name: Uint8Array): { name: Uint8Array; labels: number } | undefined {
  // Only the number of labels is wanted, so what text would have to escape may be anything.
  const domain = getDomain(nameToText(name).replaceAll(/\\\d\d\d|\\./g, 'x'), {
    allowPrivateDomains: true,
    validateHostname: false,
    detectIp: false,
    extractHostname: false,
  });
  if (domain === null || domain === '') return undefined;
  const labels = domain.split('.').length;
  const starts: number[] = [];
  let at = 0;
  for (; name[at] !== 0; at += name[at]! + 1) starts.push(at);
  return { name: name.slice(starts.at(-labels), at + 1), labels };
}
