/**
 * Buffers for policy indexes, used again: in the main thread, which knows who still reads which index.
 *
 * A SharedArrayBuffer goes back to the system when every thread's collector has found its last reference dead. A worker
 * that allocates nothing never collects, and V8 does not count shared buffers as a reason to: twenty swaps of 90 MB were
 * seen to keep 1.8 GB. So buffers are not left to the collector; when no thread holds an index any more (desk.ts), its
 * buffer serves for the next but one. Pages of a buffer that were never written cost no memory.
 */
export class MemoryPool {
  readonly #inUse = new Map<number, SharedArrayBuffer>();
  /** Nobody reads it. One is enough. */
  #spare: SharedArrayBuffer | undefined = undefined;

  /** To be offered to whoever builds the next index; it stays here until `built` says that it was taken. */
  get spare(): SharedArrayBuffer | undefined {
    return this.#spare;
  }

  /** The index `version` lies in `buffer`, the spare one or a new one. */
  built(version: number, buffer: SharedArrayBuffer): void {
    if (buffer === this.#spare) this.#spare = undefined;
    this.#inUse.set(version, buffer);
  }

  /** No thread holds the index any more. A buffer that is smaller than the spare one is left to the collectors. */
  release(version: number): void {
    const buffer = this.#inUse.get(version);
    this.#inUse.delete(version);
    if (buffer && buffer.byteLength >= (this.#spare?.byteLength ?? 0)) this.#spare = buffer;
  }

  /** Bytes of all buffers known here, room to grow included. */
  get reservedBytes(): number {
    const buffers = [...this.#inUse.values(), ...(this.#spare ? [this.#spare] : [])];
    return buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

/** In the thread that builds: the spare buffer where it is large enough, else a new one with room to grow by a quarter. */
export function allocateFrom(spare: SharedArrayBuffer | undefined): (bytes: number) => SharedArrayBuffer {
  return (bytes) => (spare && spare.byteLength >= bytes ? spare : new SharedArrayBuffer(Math.ceil(bytes * 1.25)));
}
