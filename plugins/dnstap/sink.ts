/**
 * Where frames go: a file, or a reader behind a unix socket. Neither may hold anybody up: what a sink cannot take it drops,
 * and says how many and why.
 */

import { closeSync, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { errorText } from '../../src/contract/plugin.ts';
import { CONTROL, ControlFrames, controlFrame, DNSTAP_CONTENT } from './frame-streams.ts';

export const DROPS = ['no-reader', 'slow-reader', 'disk'] as const;
export type Drop = (typeof DROPS)[number];

export interface Sink {
  /** Frames that left, or at least are with the system. */
  written: number;
  readonly dropped: Record<Drop, number>;
  /** A reader is there, or the file is open. */
  readonly open: boolean;
  /** What went wrong last, for the log; said once. */
  takeProblem(): string | undefined;
  write(frames: readonly Buffer[]): void;
  /** To be called every second. */
  tick(): void;
  /** Resolves when what was written has left, or after a second. */
  close(): Promise<void>;
}

/** Bytes that may wait for a reader that is slower than the queries. */
const MAX_WAITING_BYTES = 4 << 20;
const FINISH_MS = 1_000;

/** Into `path`; what already exists, and what is as large as `mostBytes`, becomes `path.old`. */
export class FileSink implements Sink {
  written = 0;
  readonly dropped = { 'no-reader': 0, 'slow-reader': 0, disk: 0 };
  readonly #path: string;
  readonly #mostBytes: number;
  #fd = -1;
  #bytes = 0;
  #problem: string | undefined;

  constructor(path: string, mostBytes: number) {
    this.#path = path;
    this.#mostBytes = mostBytes;
    this.#begin();
  }

  get open(): boolean {
    return this.#fd >= 0;
  }

  takeProblem(): string | undefined {
    const problem = this.#problem;
    this.#problem = undefined;
    return problem;
  }

  write(frames: readonly Buffer[]): void {
    if (this.#bytes >= this.#mostBytes) {
      this.#end();
      this.#begin();
    }
    const all = Buffer.concat(frames);
    if (this.#put(all)) this.written += frames.length;
    else this.dropped.disk += frames.length;
  }

  tick(): void {
    if (this.#fd < 0) this.#begin();
  }

  async close(): Promise<void> {
    this.#end();
  }

  #begin(): void {
    try {
      const there = lstatSync(this.#path, { throwIfNoEntry: false });
      // A device or a folder is nothing to put aside.
      if (there && !there.isFile()) throw new Error(`${this.#path} is there, and no file`);
      if (there) renameSync(this.#path, `${this.#path}.old`);
      this.#fd = openSync(this.#path, 'wx', 0o600);
      this.#bytes = 0;
      this.#put(controlFrame(CONTROL.START, DNSTAP_CONTENT));
    } catch (error) {
      this.#fd = -1;
      this.#problem = errorText(error);
    }
  }

  #end(): void {
    if (this.#fd < 0) return;
    this.#put(controlFrame(CONTROL.STOP));
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** A file that a frame was torn in is closed: a reader could not go on behind it. */
  #put(bytes: Buffer): boolean {
    if (this.#fd < 0) return false;
    try {
      if (writeSync(this.#fd, bytes) === bytes.length) {
        this.#bytes += bytes.length;
        return true;
      }
      throw new Error('the disk is full');
    } catch (error) {
      this.#problem = errorText(error);
      closeSync(this.#fd);
      this.#fd = -1;
      return false;
    }
  }
}

/** To whoever listens at the unix socket `path`; without one it is retried every second. */
export class SocketSink implements Sink {
  written = 0;
  readonly dropped = { 'no-reader': 0, 'slow-reader': 0, disk: 0 };
  readonly #path: string;
  #socket: Socket | undefined;
  #started = false;
  #finished: (() => void) | undefined;
  #closing = false;
  #problem: string | undefined;
  #lastProblem: string | undefined;

  constructor(path: string) {
    this.#path = path;
    this.tick();
  }

  get open(): boolean {
    return this.#started;
  }

  takeProblem(): string | undefined {
    const problem = this.#problem;
    this.#problem = undefined;
    return problem;
  }

  write(frames: readonly Buffer[]): void {
    const socket = this.#socket;
    if (!socket || !this.#started) this.dropped['no-reader'] += frames.length;
    else if (socket.writableLength > MAX_WAITING_BYTES) this.dropped['slow-reader'] += frames.length;
    else {
      socket.write(Buffer.concat(frames));
      this.written += frames.length;
    }
  }

  tick(): void {
    if (this.#socket || this.#closing) return;
    const socket = connect(this.#path);
    const frames = new ControlFrames();
    this.#socket = socket;
    socket.on('connect', () => socket.write(controlFrame(CONTROL.READY, DNSTAP_CONTENT)));
    socket.on('data', (chunk) => {
      try {
        for (const { type, contentTypes } of frames.take(chunk)) this.#heard(socket, type, contentTypes);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => this.#say(errorText(error)));
    socket.on('close', () => {
      if (this.#started && !this.#closing) this.#say('the reader has disconnected');
      this.#socket = undefined;
      this.#started = false;
      this.#finished?.();
    });
  }

  /** STOP, and the reader's FINISH: then everything has been read. */
  async close(): Promise<void> {
    this.#closing = true;
    const socket = this.#socket;
    if (!socket) return;
    const finished = new Promise<void>((resolve) => {
      this.#finished = resolve;
      setTimeout(resolve, FINISH_MS);
    });
    if (this.#started) socket.write(controlFrame(CONTROL.STOP));
    else socket.destroy();
    await finished;
    socket.destroy();
  }

  #heard(socket: Socket, type: number, contentTypes: readonly string[]): void {
    if (type === CONTROL.FINISH) {
      this.#finished?.();
      return;
    }
    if (type !== CONTROL.ACCEPT || this.#started) throw new Error('the reader sent a control frame out of turn');
    if (contentTypes.length > 0 && !contentTypes.includes(DNSTAP_CONTENT))
      throw new Error(`the reader takes no ${DNSTAP_CONTENT}`);
    socket.write(controlFrame(CONTROL.START, DNSTAP_CONTENT));
    this.#started = true;
    this.#lastProblem = undefined;
  }

  /** The same each second is said once. */
  #say(problem: string): void {
    if (problem !== this.#lastProblem) this.#problem = problem;
    this.#lastProblem = problem;
  }
}
