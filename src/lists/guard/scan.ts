/**
 * What the guard looks at while a list is parsed: every rule passes through here on its way to the builder.
 *
 *     parser ─► GuardScan, which hashes the name ─► builder
 *                  └─► ListScan: number of names, sketch, names that should not be on any list
 */
import { prefixText } from '../../address/address.ts';
import { nameToText, textToName } from '../../wire/name.ts';
import { safeText } from '../formats/rejects.ts';
import type { AddressTrigger, EntrySink, HashedSink } from '../formats/sink.ts';
import { TriggerCounter, type TriggerCounts } from '../idle-triggers.ts';
import { letsPass } from '../index/adblock-rules.ts';
import { NetworkName } from '../index/network-index.ts';
import { ACTION_PASSTHRU, SUBTREE } from '../index/rules.ts';
import { SuffixHash, type SuffixKey } from '../index/suffix-hash.ts';
import type { GuardOptions } from './options.ts';
import type { PopularNames } from './popular-names.ts';
import { isByWildcard, isPublicSuffix } from './public-suffix.ts';
import { type Sketch, SketchBuilder } from './sketch.ts';
import type { SuspectNames } from './suspect-names.ts';

/** Offending names that are kept as text; of these, so many stand in a sentence (verdict.ts). */
export const OFFENDERS_KEPT = 10_000;
/** Networks of fewer bits are parts of the Internet, not somebody's machines. */
const MIN_IPV4_BITS = 96 + 8;
const MIN_IPV6_BITS = 16;

export interface Offenders {
  readonly count: number;
  /** The first OFFENDERS_KEPT, safe to show, each with its line. */
  readonly first: readonly string[];
}

/** What the guard needs to know of a version; plain data, to be kept with the last good one. */
export interface ListScan {
  /** Rules: names, name servers and networks; duplicates count. */
  readonly names: number;
  readonly sketch: Sketch;
  readonly popular: Offenders;
  readonly publicSuffixes: Offenders;
  readonly wideNetworks: Offenders;
  /** Rules on anything but the name asked for, by trigger. */
  readonly triggers: TriggerCounts;
  /** Rules that were left out because somebody decided to load the list without them. */
  readonly leftOut: number;
}

export interface GuardScanSettings {
  readonly options: GuardOptions;
  readonly popular: PopularNames;
  /** Popular names and public suffixes, made with `key`. */
  readonly suspects: SuspectNames;
  /** Of the index: secret, and the same for all versions of the list. */
  readonly key: SuffixKey;
  /** Leave out what should not be on any list, and count it, instead of finding fault with it. */
  readonly withoutOffenders?: boolean;
}

export class GuardScan implements EntrySink {
  readonly #next: HashedSink;
  readonly #popular: PopularNames;
  readonly #suspects: SuspectNames;
  readonly #hash: SuffixHash;
  readonly #options: GuardOptions;
  readonly #allowed: ReadonlySet<string>;
  readonly #sketch: SketchBuilder;
  #names = 0;
  readonly #found = { popular: new Found(), publicSuffixes: new Found(), wideNetworks: new Found() };
  readonly #network = new NetworkName();
  readonly #triggers = new TriggerCounter();
  readonly #leavesOut: boolean;
  #leftOut = 0;

  constructor(next: HashedSink, { options, popular, suspects, key, withoutOffenders }: GuardScanSettings) {
    this.#leavesOut = withoutOffenders ?? false;
    this.#next = next;
    this.#popular = popular;
    this.#suspects = suspects;
    this.#hash = new SuffixHash(key);
    this.#options = options;
    this.#allowed = new Set(options['allow-names'].map((name) => nameToText(textToName(name))));
    this.#sketch = new SketchBuilder(key);
  }

  entry(
    name: Uint8Array,
    length: number,
    kind: number,
    action: number,
    data: Uint8Array | undefined,
    line: number,
  ): void {
    const labels = this.#look(name, length, kind, letsPass(action, data), line);
    if (labels > 0) this.#next.hashedEntry(this.#hash, labels, kind, action, data, name);
  }

  nameServer(
    name: Uint8Array,
    length: number,
    kind: number,
    action: number,
    data: Uint8Array | undefined,
    line: number,
  ): void {
    const labels = this.#look(name, length, kind, letsPass(action, data), line);
    this.#triggers.nameServer();
    if (labels > 0) this.#next.hashedNameServer(this.#hash, labels, kind, action, data, name);
  }

  network(
    trigger: AddressTrigger,
    words: Int32Array,
    bits: number,
    action: number,
    data: Uint8Array | undefined,
    line: number,
  ): void {
    const mapped = bits >= 96 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
    if (action !== ACTION_PASSTHRU && bits < (mapped ? MIN_IPV4_BITS : MIN_IPV6_BITS)) {
      if (this.#leavesOut) {
        this.#leftOut++;
        return;
      }
      this.#found.wideNetworks.add(() => `${prefixText({ words, bits })} (line ${line})`);
    }
    this.#names++;
    this.#triggers.network(trigger);
    this.#network.set(trigger, words, bits);
    this.#hash.hashName(this.#network.bytes);
    this.#sketch.add(this.#hash.high, this.#hash.middle);
    this.#next.network(trigger, words, bits, action, data, line);
  }

  finish(): ListScan {
    const { popular, publicSuffixes, wideNetworks } = this.#found;
    return {
      names: this.#names,
      sketch: this.#sketch.finish(),
      popular: popular.result(),
      publicSuffixes: publicSuffixes.result(),
      wideNetworks: wideNetworks.result(),
      triggers: this.#triggers.counts,
      leftOut: this.#leftOut,
    };
  }

  /** Gives the number of labels, 0 where the rule is left out, and leaves the name's hash in `#hash`. */
  #look(name: Uint8Array, length: number, kind: number, passes: boolean, line: number): number {
    const hash = this.#hash;
    const labels = hash.hashNameAndParent(name);
    // To let a name pass harms nobody, however popular it is.
    if (!passes && this.#suspects.has(hash, labels) && this.#suspect(name, length, kind, line) && this.#leavesOut) {
      this.#leftOut++;
      return 0;
    }
    this.#names++;
    this.#sketch.add(hash.high, hash.middle);
    return labels;
  }

  /** True where something is wrong with the rule. */
  #suspect(name: Uint8Array, length: number, kind: number, line: number): boolean {
    let wrong = false;
    if (this.#options['popular-names'] === 'refuse') {
      const taken = this.#popular.takenBy(name, length, kind);
      if (taken !== undefined && !this.#allowed.has(nameToText(name))) {
        wrong = true;
        if (!this.#leavesOut) this.#found.popular.add(() => described(name, kind, line, taken));
      }
    }
    if (this.#options['public-suffixes'] === 'refuse' && this.#isPublicSuffix(name, length, kind)) {
      wrong = true;
      if (!this.#leavesOut) this.#found.publicSuffixes.add(() => described(name, kind, line));
    }
    return wrong;
  }

  #isPublicSuffix(name: Uint8Array, length: number, kind: number): boolean {
    const text = plainText(name, length);
    // One name on a company's suffix is somebody's page; only what covers the rest of them is out of the ordinary.
    const covers = this.#options['private-suffixes'] && (kind & SUBTREE) !== 0;
    if (!isPublicSuffix(text, covers) || (covers && !isPublicSuffix(text, false) && isByWildcard(text))) return false;
    return !this.#allowed.has(nameToText(name));
  }
}

/** The name with dots, nothing escaped: for comparing only. */
function plainText(name: Uint8Array, length: number): string {
  let labelAt = 0;
  for (let i = 0; i < length - 1; i++) {
    if (i === labelAt) {
      dotted[i] = 0x2e;
      labelAt += name[i]! + 1;
    } else dotted[i] = name[i]!;
  }
  return dotted.toString('latin1', 1, length - 1);
}

const dotted = Buffer.alloc(256);

function described(name: Uint8Array, kind: number, line: number, taken?: Uint8Array): string {
  const rule = safeText(`${kind === SUBTREE ? '*.' : ''}${nameToText(name)}`);
  const popular = taken === undefined ? '' : nameToText(taken);
  const covers = popular !== '' && popular !== nameToText(name) ? `, takes ${safeText(popular)}` : '';
  return `${rule} (line ${line}${covers})`;
}

class Found {
  #count = 0;
  readonly #first: string[] = [];

  add(describe: () => string): void {
    if (this.#count++ < OFFENDERS_KEPT) this.#first.push(describe());
  }

  result(): Offenders {
    return { count: this.#count, first: this.#first };
  }
}
