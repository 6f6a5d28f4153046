/**
 * What a disk holds when the power goes, made from the system calls of a program (strace): what was flushed is there; of what was
 * written since, anything may be: all of it, nothing, some writes and not the ones before, part of one. Names of files are taken
 * for durable at once, in their order, as a journalling file system keeps them.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Random } from '../scenarios/random.ts';

/** Arguments of strace for what `readTrace` reads. */
export const STRACE = [
  ...['-f', '-qq', '-xx', '-s', '1000000', '-e', 'signal=none', '-e'],
  'trace=openat,close,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink,mkdir',
];
/** Random: any part of it. */
export type Luck = 'none of it' | 'all of it' | Random;

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
const STANDARD_OUTPUT = 1;

/** A system call that went well. */
interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: number;
  /** Line on which it began: calls of several threads overlap. */
  readonly begun: number;
  readonly ended: number;
}

interface Change {
  readonly at: number;
  /** Where and what; without bytes, the length that the file is cut to. */
  readonly offset: number;
  readonly bytes?: Buffer;
}

interface DiskFile {
  durable: Buffer;
  pending: Change[];
}

/** Calls in the order in which they ended. */
export function readTrace(file: string): Call[] {
  const open = new Map<string, { text: string; begun: number }>();
  const calls: Call[] = [];
  readFileSync(file, 'latin1')
    .split('\n')
    .forEach((line, number) => {
      const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
      if (rest.endsWith(' <unfinished ...>')) {
        open.set(thread, { text: rest.slice(0, -' <unfinished ...>'.length), begun: number });
        return;
      }
      const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
      const begun = resumed ? open.get(thread) : undefined;
      const text = resumed ? `${begun?.text ?? ''}${resumed[1]}` : rest;
      const [, name, args, result] = /^(\w+)\((.*)\) += (\d+)/.exec(text) ?? [];
      if (name === undefined || args === undefined) return;
      calls.push({ name, args, result: Number(result), begun: begun?.begun ?? number, ended: number });
    });
  return calls;
}

export class TracedDisk {
  readonly #folder: string;
  readonly #files = new Map<string, DiskFile>();
  readonly #folders = new Set<string>();
  readonly #paths = new Map<number, string>();
  /** What the program wrote to its standard output so far. */
  output = '';

  /** Files below `folder` are followed. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** True where the call changes what a cut leaves behind, or was said. */
  follow({ name, args, result, begun, ended }: Call): boolean {
    const texts = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => bytesOf(hex));
    const numbers = args.replaceAll(/"[^"]*"/g, '0').split(/, /);
    const [fd, second, , fourth] = numbers.map(Number);
    const path = this.#paths.get(fd ?? -1);
    const file = path === undefined ? undefined : this.#files.get(path);
    const [first = '', other = ''] = texts.map(String);
    switch (name) {
      case 'openat':
        return this.#open(first, result, args, ended);
      case 'close':
        this.#paths.delete(fd ?? -1);
        return false;
      case 'pwrite64':
        file?.pending.push({ at: ended, offset: fourth ?? 0, bytes: texts[0]!.subarray(0, result) });
        return file !== undefined;
      case 'write':
        if (fd === STANDARD_OUTPUT && path === undefined) this.output += String(texts[0]);
        else if (file) throw new Error(`a write without a place, to ${path}`);
        return fd === STANDARD_OUTPUT;
      case 'ftruncate':
        file?.pending.push({ at: ended, offset: second ?? 0 });
        return file !== undefined;
      case 'fsync':
      case 'fdatasync':
        // What was written while it was under way may have come too late for it.
        for (const change of file?.pending.filter(({ at }) => at < begun) ?? []) apply(file!, change);
        if (file) file.pending = file.pending.filter(({ at }) => at >= begun);
        return file !== undefined;
      case 'mkdir':
        if (this.#follows(first)) this.#folders.add(first);
        return false;
      case 'rename':
        if (!this.#follows(first)) return false;
        this.#files.set(other, this.#files.get(first)!);
        this.#files.delete(first);
        return true;
      case 'unlink':
        return this.#files.delete(first);
      default:
        return false;
    }
  }

  /** Lay down what is left when the power goes now. `luckOf`: which of what was not flushed of a file reached the disk. */
  cut(into: string, luckOf: (path: string) => Luck): void {
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into, { recursive: true });
    for (const folder of this.#folders)
      mkdirSync(join(into, relative(this.#folder, folder)), { recursive: true, mode: 0o700 });
    for (const [path, file] of this.#files) {
      const left: DiskFile = { durable: file.durable, pending: [] };
      for (const change of file.pending) {
        const kept = part(change, luckOf(path));
        if (kept) apply(left, kept);
      }
      const place = join(into, relative(this.#folder, path));
      mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
      writeFileSync(place, left.durable, { mode: 0o600 });
    }
  }

  #open(path: string, fd: number, args: string, at: number): boolean {
    this.#paths.delete(fd);
    if (!this.#follows(path)) return false;
    this.#paths.set(fd, path);
    const file = this.#files.get(path);
    if (file === undefined && args.includes('O_CREAT'))
      this.#files.set(path, { durable: Buffer.alloc(0), pending: [] });
    else if (args.includes('O_TRUNC')) file?.pending.push({ at, offset: 0 });
    return false;
  }

  /** The index of a write-ahead log is memory that programs share; SQLite makes it again. */
  #follows(path: string): boolean {
    return path.startsWith(`${this.#folder}/`) && !basename(path).endsWith('-shm');
  }
}

function part(change: Change, luck: Luck): Change | undefined {
  if (luck === 'none of it') return undefined;
  if (luck === 'all of it') return change;
  const fate = luck.below(3);
  if (fate === 0) return undefined;
  if (fate === 1 || !change.bytes) return change;
  const sectors = Math.ceil(change.bytes.length / SECTOR_BYTES);
  return { ...change, bytes: change.bytes.subarray(0, luck.below(sectors + 1) * SECTOR_BYTES) };
}

function apply(file: DiskFile, { offset, bytes }: Change): void {
  const before = file.durable;
  const length = bytes ? Math.max(before.length, offset + bytes.length) : offset;
  const after = Buffer.alloc(length);
  before.copy(after, 0, 0, Math.min(before.length, length));
  bytes?.copy(after, offset);
  file.durable = after;
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex');
}
