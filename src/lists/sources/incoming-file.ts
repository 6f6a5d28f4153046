/**
 * A version on its way in: written to a temporary file in the list's own folder (a rename must not cross file systems),
 * counted, hashed, synced. What is not finished is removed.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeText } from '../../settings/units.ts';
import { FetchFailure } from './source.ts';

/** Begins the name of every temporary file. */
export const INCOMING_PREFIX = 'incoming-';
/** Text is gathered until it is worth a system call. */
const BATCH_CHARS = 256 * 1024;

export interface Finished {
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export class IncomingFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #maxBytes: number;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;
  #text = '';
  #open = true;

  private constructor(path: string, file: FileHandle, maxBytes: number) {
    this.path = path;
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  static async create(folder: string, maxBytes: number): Promise<IncomingFile> {
    await mkdir(folder, { recursive: true });
    const path = join(folder, INCOMING_PREFIX + randomBytes(8).toString('hex'));
    return new IncomingFile(path, await open(path, 'wx', 0o640), maxBytes);
  }

  /** Throws FetchFailure where that would exceed the limit. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) throw new FetchFailure(`is longer than the limit of ${sizeText(this.#maxBytes)}`);
    this.#hash.update(chunk);
    await this.#file.writeFile(chunk);
  }

  /** Add ASCII text to what is written with the next batch; call `flushFull` now and then. */
  addText(text: string): void {
    this.#text += text;
  }

  /** Write the text gathered so far, if it is worth it. */
  async flushFull(): Promise<void> {
    if (this.#text.length >= BATCH_CHARS) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.write(Buffer.from(text, 'latin1'));
  }

  /** On disk for good, still under its temporary name. */
  async finish(): Promise<Finished> {
    await this.#flush();
    await this.#file.sync();
    await this.#close();
    return { path: this.path, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.path, { force: true });
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close();
  }
}

/** Write a file whole: nobody ever sees half of it under `path`, and after a power cut it is the old one or the new one. */
export async function replaceFile(folder: string, name: string, content: string): Promise<void> {
  const incoming = await IncomingFile.create(folder, Number.MAX_SAFE_INTEGER);
  try {
    await incoming.write(Buffer.from(content));
    const { path } = await incoming.finish();
    await moveInto(folder, path, name);
  } catch (error) {
    await incoming.discard();
    throw error;
  }
}

/** Give a finished temporary file its final name, durably: the folder is synced too. */
export async function moveInto(folder: string, path: string, name: string): Promise<void> {
  await rename(path, join(folder, name));
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Remove what an earlier run of the process left half-way. */
export async function removeStale(folder: string): Promise<void> {
  const names = await readdir(folder);
  const stale = names.filter((name) => name.startsWith(INCOMING_PREFIX));
  await Promise.all(stale.map((name) => rm(join(folder, name), { force: true })));
}
