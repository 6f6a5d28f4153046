/** Blocks of CG-NAT ports as prefixes of the 16 bits of a port. */

export interface PortBlock {
  readonly port: number;
  /** Bits of the port that are fixed; the block holds 2^(16 − bits) ports. */
  readonly bits: number;
}

/**
 * The fewest aligned blocks that make up the ports from `first` to `last` (0–65535, both included): one where the operator's
 * NAT hands out powers of two, at most 30.
 */
export function portBlocks(first: number, last: number): PortBlock[] {
  const blocks: PortBlock[] = [];
  let at = first;
  while (at <= last) {
    let size = at === 0 ? 0x10000 : at & -at;
    while (at + size - 1 > last) size /= 2;
    blocks.push({ port: at, bits: 16 - Math.log2(size) });
    at += size;
  }
  return blocks;
}
