/**
 * Networks as RPZ writes them into owner names (draft-vixie-dnsop-dns-rpz-04 §4.1.1): prefix length first, then the
 * address from its end. IPv4: `24.0.2.0.192` is 192.0.2.0/24. IPv6: words in hexadecimal, `zz` once for `::`, so
 * `48.zz.1.db8.2001` is 2001:db8:1::/48.
 */

/** The network decoded last, in the form of net/address.ts. */
export class RpzAddress {
  readonly words = new Int32Array(4);
  bits = 0;

  /** Decode the labels of `name[from..to)`, wire form without a root label. False where they are no network. */
  read(name: Uint8Array, from: number, to: number): boolean {
    const labels: string[] = [];
    for (let at = from; at < to; at += name[at]! + 1) {
      if (labels.length === 9) return false;
      labels.push(String.fromCharCode(...name.subarray(at + 1, at + 1 + name[at]!)));
    }
    const [length = '', ...parts] = labels;
    if (!/^[1-9]\d{0,2}$/.test(length)) return false;
    parts.reverse();
    this.words.fill(0);
    const isIpv4 = parts.length === 4 && !parts.includes('zz');
    if (!(isIpv4 ? this.#ipv4(parts) : this.#ipv6(parts))) return false;
    this.bits = Number(length) + (isIpv4 ? 96 : 0);
    return this.bits <= 128 && this.#nothingBeyond();
  }

  #ipv4(parts: readonly string[]): boolean {
    let word = 0;
    for (const part of parts) {
      if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return false;
      word = (word << 8) | Number(part);
    }
    this.words[2] = 0xffff;
    this.words[3] = word;
    return true;
  }

  #ipv6(parts: readonly string[]): boolean {
    const gap = parts.indexOf('zz');
    if (gap >= 0 ? parts.length > 8 : parts.length !== 8) return false;
    for (let i = 0; i < parts.length; i++) {
      if (i === gap) continue;
      if (!/^[0-9a-f]{1,4}$/.test(parts[i]!)) return false;
      const word = gap >= 0 && i > gap ? 8 - parts.length + i : i;
      this.words[word >> 1]! |= Number.parseInt(parts[i]!, 16) << ((word & 1) === 0 ? 16 : 0);
    }
    return true;
  }

  /** The draft has the bits beyond the prefix be 0. */
  #nothingBeyond(): boolean {
    for (let i = 0; i < 4; i++) {
      const kept = Math.min(32, Math.max(0, this.bits - 32 * i));
      if (kept < 32 && (this.words[i]! & (kept === 0 ? -1 : (1 << (32 - kept)) - 1)) !== 0) return false;
    }
    return true;
  }
}
