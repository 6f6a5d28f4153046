/**
 * The name to which a rule sends a client: local data that is a CNAME, or a list's override. A target `*.garden.example`
 * is the redirected name in front of `garden.example` (draft-vixie-dnsop-dns-rpz-04 §3.7), so that the walled garden
 * sees what was asked for.
 */
import { DATA_RDATA_AT, MessageName, type PolicyIndex, TYPE } from '../../src/contract/plugin.ts';

const STAR = 0x2a;
const MAX_NAME_BYTES = 255;
/** Seconds for which an override's CNAME may be kept; short, so that a list taken out of force is gone soon. */
export const OVERRIDE_TTL = 30;

export class CnameTarget {
  readonly bytes = new Uint8Array(256);
  /** Bytes of the name; 0 where it would be longer than a name may be. */
  length = 0;
  ttl = OVERRIDE_TTL;
  /** It is the redirected name itself. */
  isItself = false;
  readonly #name = new MessageName();

  /** Use the name `bytes[from..to)`, in uncompressed wire form, for the client that asks for `name`. */
  set(bytes: Uint8Array, from: number, to: number, name: MessageName): void {
    this.ttl = OVERRIDE_TTL;
    this.length = 0;
    this.isItself = false;
    if (bytes[from] === 1 && bytes[from + 1] === STAR) {
      from += 2;
      const expanded = name.length - 1;
      if (expanded + to - from > MAX_NAME_BYTES) return;
      for (; this.length < expanded; this.length++) this.bytes[this.length] = name.bytes[this.length]!;
    }
    while (from < to) this.bytes[this.length++] = bytes[from++]!;
    this.#name.set(this.bytes);
    this.isItself = this.#name.equals(name);
  }

  /** The target is that name. */
  is(name: MessageName): boolean {
    return this.length > 0 && this.#name.equals(name);
  }

  /**
   * Take the CNAME among the local data of the rule that `rules` found. False where there is none, or where the data hold
   * records of the type asked for beside it.
   */
  find(rules: PolicyIndex, type: number, name: MessageName): boolean {
    let found = -1;
    for (let i = 0; i < rules.dataCount; i++) {
      const at = rules.dataStart(i);
      const own = (rules.data[at]! << 8) | rules.data[at + 1]!;
      if (own === TYPE.CNAME) found = i;
      else if (own === type) return false;
    }
    if (found < 0) return false;
    const { data } = rules;
    const at = rules.dataStart(found);
    this.set(data, at + DATA_RDATA_AT, rules.dataEnd(found), name);
    this.ttl = ((data[at + 2]! << 24) | (data[at + 3]! << 16) | (data[at + 4]! << 8) | data[at + 5]!) & 0x7fffffff;
    return true;
  }
}
