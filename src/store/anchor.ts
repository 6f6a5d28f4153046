/**
 * Anchors: where a hash chain ended, noted outside the file that holds it. A chain alone shows that an entry was altered; it
 * cannot show that its end was cut off or that an older copy lies in its place. Against that each change is followed by a note
 * in another store, on the disk before the change is acknowledged.
 *
 *     entry n ─▶ COMMIT ─▶ flush (on the disk) ─▶ anchor "n, its hash, which file" (on the disk) ─▶ acknowledged
 *
 * A kill in between leaves a chain that is ahead of its anchor, and leads through it: that is sound. One that is behind its
 * anchor has lost something that was acknowledged.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { JoinedFlush } from './joined-flush.ts';

const fdatasyncSoon = promisify(fdatasync);

export interface Anchor {
  /** Grows with every note: of several places the one with the highest is the latest. */
  readonly version: number;
  /** Random name of the chain, made with its file: two empty chains are not the same. */
  readonly chain: string;
  readonly count: number;
  /** Hash of entry `count`. */
  readonly head: string;
  /** Which file it is, beyond its name: `fileIdentity`. */
  readonly file: string;
  /** Withdrawals that act and were told as not yet durable: lost where the process ends before they are written. */
  readonly owed: number;
  /** What was found wrong, until a person accepts it. */
  readonly damage: string | null;
}

/** A store for the anchor of one chain. */
export interface AnchorPlace {
  /** For people. */
  readonly name: string;
  /** Undefined where nothing was ever noted. Throws where what is there cannot be read. */
  read(): Anchor | undefined;
  /** On the disk when it returns; throws where that cannot be. */
  write(anchor: Anchor): void;
  close?(): void;
}

/** One slot is written while the other one stays whole. */
const SLOTS = 2;
const SLOT_BYTES = 4096;
/** Longer texts do not fit into a slot. */
export const LONGEST_DAMAGE = 1200;

interface Slot {
  readonly serial: number;
  readonly anchor: Anchor;
}

/**
 * An anchor in a small file of its own: two slots of a fixed size, written in turns and in place, so that it can be written on
 * a full disk and a torn write leaves the one before.
 */
export class AnchorFile implements AnchorPlace {
  readonly name: string;
  #fd: number | undefined;
  #ino = 0;
  #serial = 0;
  #latest: Anchor | undefined;
  /** A slot was written and not flushed: the other one is the whole one. */
  #unflushed = false;
  /** Descriptors that are let go when the flush under way has ended. */
  readonly #outdated: number[] = [];
  readonly #joined = new JoinedFlush(() => this.#flushLatest());

  constructor(path: string) {
    this.name = path;
  }

  read(): Anchor | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const slots = [0, 1].flatMap((slot) => slotOf(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)) ?? []);
    const latest = slots.sort((one, other) => other.serial - one.serial)[0];
    if (!latest) throw new Error('neither of its two slots is whole');
    this.#serial = Math.max(this.#serial, latest.serial);
    return latest.anchor;
  }

  write(anchor: Anchor): void {
    this.#latest = anchor;
    if (this.#put(anchor)) return;
    fdatasyncSync(this.#fd!);
    this.#unflushed = false;
  }

  /**
   * Resolves when `anchor`, or one that was given later, is on the disk; flushed off the main thread, and together with others that
   * come meanwhile. Rejects where that cannot be.
   */
  writeSoon(anchor: Anchor): Promise<void> {
    this.#latest = anchor;
    return this.#joined.flush();
  }

  close(): void {
    if (this.#fd !== undefined) {
      if (this.#joined.isUnderWay) this.#outdated.push(this.#fd);
      else closeSync(this.#fd);
    }
    this.#fd = undefined;
    this.#unflushed = false;
  }

  async #flushLatest(): Promise<void> {
    if (this.#put(this.#latest!)) return;
    const serial = this.#serial;
    try {
      await fdatasyncSoon(this.#fd!);
    } finally {
      for (const outdated of this.#outdated.splice(0)) closeSync(outdated);
    }
    // Else `write` has put a later one meanwhile.
    if (serial === this.#serial) this.#unflushed = false;
  }

  /** Write `anchor` into the slot whose turn it is. True where it is on the disk already, in a new file. */
  #put(anchor: Anchor): boolean {
    // Whoever takes the file away while we write to it must not take the anchor away.
    if (this.#fd !== undefined && statSync(this.name, { throwIfNoEntry: false })?.ino !== this.#ino) this.close();
    const bytes = slotBytes({ serial: this.#serial + 1, anchor });
    if (statSync(this.name, { throwIfNoEntry: false }) === undefined) {
      this.#make(bytes);
      return true;
    }
    if (this.#fd === undefined) this.#open();
    // One slot is touched only while the other one is whole on the disk.
    if (this.#unflushed) fdatasyncSync(this.#fd!);
    this.#serial++;
    this.#unflushed = true;
    writeSync(this.#fd!, bytes, 0, SLOT_BYTES, (this.#serial % SLOTS) * SLOT_BYTES);
    return false;
  }

  /** Under another name first: an anchor at its place is a whole one, whenever the power goes. */
  #make(slot: Buffer): void {
    const fresh = `${this.name}.new`;
    const fd = openSync(fresh, 'w', 0o600);
    try {
      for (let at = 0; at < SLOTS; at++) writeSync(fd, slot, 0, SLOT_BYTES, at * SLOT_BYTES);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, this.name);
    syncFolder(dirname(this.name));
    this.#serial++;
  }

  #open(): void {
    this.#fd = openSync(this.name, 'r+');
    this.#ino = statSync(this.name).ino;
    // A process that was killed may have left a slot so.
    this.#unflushed = true;
  }
}

/**
 * Tells a file from another one at its place: number and time of birth, which a copy does not share. The device is left out: it
 * may have another number after a restart of the machine.
 */
export function fileIdentity(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat) return 'none';
  // Where the file system knows no time of birth, Node.js gives that of the last change, or nothing.
  const birth = stat.birthtimeNs === stat.ctimeNs ? 0n : stat.birthtimeNs;
  return `${stat.ino}/${birth}`;
}

/** A time of birth that one side does not know says nothing. */
export function isSameFile(one: string, other: string): boolean {
  const [ino, birth] = one.split('/');
  const [otherIno, otherBirth] = other.split('/');
  return ino === otherIno && (birth === otherBirth || birth === '0' || otherBirth === '0');
}

function slotBytes(slot: Slot): Buffer {
  const text = JSON.stringify(slot);
  const bytes = Buffer.alloc(SLOT_BYTES, 0x20);
  const length = bytes.write(`${digestOf(text)} ${text}\n`);
  if (length >= SLOT_BYTES) throw new Error('the anchor does not fit into its slot');
  return bytes;
}

function slotOf(bytes: Buffer): Slot | undefined {
  const [line = ''] = bytes.toString('utf8').split('\n', 1);
  const at = line.indexOf(' ');
  const text = line.slice(at + 1);
  return at > 0 && digestOf(text) === line.slice(0, at) ? (JSON.parse(text) as Slot) : undefined;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
