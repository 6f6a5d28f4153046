/** Type bit maps of NSEC and NSEC3 (RFC 4034 §4.1.2). */

/** The map at `from` … the end of `data` names `type`. A broken map names nothing. */
export function bitmapHas(data: Uint8Array, from: number, type: number): boolean {
  const window = type >>> 8;
  const low = type & 255;
  for (let at = from; at + 2 <= data.length; at += 2 + data[at + 1]!) {
    if (data[at] !== window) continue;
    const byte = low >>> 3;
    return byte < data[at + 1]! && at + 2 + byte < data.length && (data[at + 2 + byte]! & (0x80 >>> (low & 7))) !== 0;
  }
  return false;
}

/** Windows ascend, each of 1–32 bytes, and fill the data to its end. */
export function isBitmap(data: Uint8Array, from: number): boolean {
  let before = -1;
  let at = from;
  while (at < data.length) {
    const window = data[at]!;
    const size = data[at + 1] ?? 0;
    if (window <= before || size < 1 || size > 32 || at + 2 + size > data.length) return false;
    before = window;
    at += 2 + size;
  }
  return true;
}
