/** Serial number arithmetic (RFC 1982) for SOA serials: unsigned 32-bit numbers that wrap round. */

/** 1 = `one` is newer, 0 = equal, -1 = older; undefined where they are exactly 2^31 apart, which RFC 1982 §3.2 leaves open. */
export function compareSerials(one: number, other: number): -1 | 0 | 1 | undefined {
  const distance = (one - other) | 0;
  if (distance === 0) return 0;
  if (distance === -0x80000000) return undefined;
  return distance > 0 ? 1 : -1;
}
