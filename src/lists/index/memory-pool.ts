/**
 * Buffers for policy indexes, used again: for the thread that builds.
 *
 * A SharedArrayBuffer goes back to the system when every thread's collector has found its last reference dead. A worker
 * that allocates nothing never collects, and V8 does not count shared buffers as a reason to: twenty swaps of 90 MB were
 * seen to keep 1.8 GB. So buffers are not left to the collector; when no thread holds an index any more (desk.ts), its
 * buffer serves for the next but one. Pages of a buffer that were never written cost no memory.
 */
export class MemoryPool {
  readonly #inUse = new Map<number, SharedArrayBuffer>();
  readonly #free: SharedArrayBuffer[] = [];
  #latestBytes = 0;

  /**
   * A buffer of at least `bytes` for the index `version`; what is in it is undefined. A new one has room to grow by a
   * quarter.
   */
  take(version: number, bytes: number): SharedArrayBuffer {
    this.#latestBytes = bytes;
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= bytes);
    const buffer = at >= 0 ? this.#free.splice(at, 1)[0]! : new SharedArrayBuffer(Math.ceil(bytes * 1.25));
    this.#inUse.set(version, buffer);
    return buffer;
  }

  /**
   * No thread holds the index any more. Returns false where its buffer is given up, as too small or one too many: the
   * workers' collectors have to free it then.
   */
  release(version: number): boolean {
    const buffer = this.#inUse.get(version);
    if (!buffer) return true;
    this.#inUse.delete(version);
    // One spare is enough, and one that the lists have outgrown would lie here for nothing.
    if (this.#free.length > 0 || buffer.byteLength < this.#latestBytes) return false;
    this.#free.push(buffer);
    return true;
  }

  /** Bytes of all buffers known here, room to grow included. */
  get reservedBytes(): number {
    return [...this.#inUse.values(), ...this.#free].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}
