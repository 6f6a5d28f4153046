/**
 * Which registered domain a name belongs to, without a string on the packet path.
 *
 * Domains that were seen lie in the zone table, and a name's zone is the longest of its suffixes that is there. A name
 * with none, if it was let pass, waits in a small ring; on a later turn of the event loop the public suffix list says what
 * its domain is, and from then on all names below it are found. Until then, a few milliseconds, once for each domain,
 * nothing but the budget for what may fail bounds them (failing-budget.ts). One name in RECHECK is looked at again although it was found, so that domains below others (of public suffixes that lie below
 * somebody's domain, such as those of large hosters) come apart. A public suffix itself never gets into the table.
 */

import { getDomain } from 'tldts';
import { nameToText, type Question } from '../../src/contract/plugin.ts';
import { REVERSE6, type ZoneTable } from './zone-table.ts';

/** Names that may wait to be looked at. */
const RING = 64;
const NAME_BYTES = 256;
/** Reverse zones are not registered, but delegated: from an IPv4 /16 and an IPv6 /32 on they are a network's own. */
const REVERSE4_LABELS = 4;
const REVERSE6_LABELS = 10;
const RECHECK = 64;

export class ZoneFinder {
  readonly #zones: ZoneTable;
  readonly #nowMs: () => number;
  readonly #later: (work: () => void) => void;
  readonly #ring = new Uint8Array(RING * NAME_BYTES);
  readonly #partitions = new Int32Array(RING);
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

  /** A question was let pass. `located`: its zone is known; one in RECHECK is looked at again all the same. */
  passed(question: Question, located: boolean): void {
    // Names of one label are top-level domains: the root answers for them.
    if (located ? --this.#untilRecheck > 0 : question.labelCount < 2) return;
    if (located) this.#untilRecheck = RECHECK;
    this.#remember(question);
  }

  #remember(question: Question): void {
    if (this.#waiting === RING) return;
    this.#partitions[this.#waiting] = question.partition;
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
      if (domain !== undefined)
        this.#zones.addRegistered(
          domain.name,
          domain.labels,
          this.#nowMs(),
          domain.reverse6 ? REVERSE6 : 0,
          this.#partitions[i],
        );
    }
  }
}

export interface RegisteredDomain {
  readonly name: Uint8Array;
  readonly labels: number;
  /** It lies in ip6.arpa. */
  readonly reverse6: boolean;
}

/**
 * The registered domain of a name in wire form, or the reverse zone of its network; undefined for a public suffix and
 * for what is no host name.
 */
export function registeredDomain(name: Uint8Array): RegisteredDomain | undefined {
  const text = nameToText(name).replaceAll(/\\\d\d\d|\\./g, 'x');
  const starts: number[] = [];
  let at = 0;
  for (; name[at] !== 0; at += name[at]! + 1) starts.push(at);
  const from = (labels: number) => name.slice(starts.at(-labels), at + 1);
  const reverse6 = text.endsWith('.ip6.arpa');
  if (reverse6 || text.endsWith('.in-addr.arpa')) {
    const labels = reverse6 ? REVERSE6_LABELS : REVERSE4_LABELS;
    // Wider ones are the registries'.
    return starts.length < labels ? undefined : { name: from(labels), labels, reverse6 };
  }
  // Only the number of labels is wanted, so what text would have to escape may be anything.
  const domain = getDomain(text, {
    allowPrivateDomains: true,
    validateHostname: false,
    detectIp: false,
    extractHostname: false,
  });
  if (domain === null || domain === '') return undefined;
  const labels = domain.split('.').length;
  return { name: from(labels), labels, reverse6: false };
}
