/**
 * One network interface with the program at it: its maps, the sockets of its receive queues and the link that holds the
 * program there. Opened and closed by the main thread. The link is a descriptor like the others: with the process everything goes.
 *
 *     link ─▶ program ─▶ own places (map) ─▶ sockets by queue (map) ─▶ AF_XDP socket, for each queue that a worker serves
 */
import { type Bpf, BpfError, MAP_HASH, MAP_XSKMAP, PROGRAM_XDP, XDP_BY_DRIVER, XDP_BY_STACK } from '../../bpf/bpf.ts';
import type { DropMaps } from '../../drops/drop-check.ts';
import { EOPNOTSUPP } from '../../system/libc.ts';
import { fastPathProgram, OWN_KEY_BYTES, ownKey } from './fast-path-program.ts';
import type { InterfaceFacts } from './interface-facts.ts';
import type { OwnPlace } from './own-places.ts';
import { openXsk, type XskSocket } from './xsk-socket.ts';

/** Addresses and ports on one interface. */
const MAX_PLACES = 1024;
const MAX_QUEUES = 256;

/** Who runs the program: the driver before it makes anything of a frame, or the kernel's stack, later and dearer. */
export type ProgramMode = 'driver' | 'stack';

export interface FastPathInterfaceParts {
  readonly bpf: Bpf;
  readonly facts: InterfaceFacts;
  readonly drops: DropMaps;
  /** In this order; the first that works. */
  readonly modes: readonly ProgramMode[];
  /** Numbers of the receive queues to serve. */
  readonly queues: readonly number[];
  readonly zeroCopy: boolean;
  readonly busyPollMicroseconds: number;
}

export class FastPathInterface {
  readonly facts: InterfaceFacts;
  readonly mode: ProgramMode;
  readonly sockets: readonly XskSocket[];
  /** For its run-time statistics. */
  readonly program: number;
  readonly #bpf: Bpf;
  readonly #own: number;
  readonly #socketMap: number;
  readonly #link: number;
  /** Keys in the map of own places, as hexadecimal text. */
  #places = new Map<string, Uint8Array>();
  readonly #open = new Set<number>();

  /** Throws BpfError or SocketError, with nothing left open. Until `setPlaces` nothing is taken. */
  constructor({ bpf, facts, drops, modes, queues, zeroCopy, busyPollMicroseconds }: FastPathInterfaceParts) {
    this.#bpf = bpf;
    this.facts = facts;
    const opened: number[] = [];
    const sockets: XskSocket[] = [];
    try {
      this.#own = bpf.createMap({
        type: MAP_HASH,
        keyBytes: OWN_KEY_BYTES,
        valueBytes: 4,
        entries: MAX_PLACES,
        name: 'sekisho_own',
      });
      opened.push(this.#own);
      this.#socketMap = bpf.createMap({
        type: MAP_XSKMAP,
        keyBytes: 4,
        valueBytes: 4,
        entries: MAX_QUEUES,
        name: 'sekisho_xsks',
      });
      opened.push(this.#socketMap);
      const maps = { ...drops, own: this.#own, sockets: this.#socketMap };
      this.program = bpf.loadProgram(PROGRAM_XDP, fastPathProgram(facts.mac, maps).assemble(), 'sekisho');
      opened.push(this.program);
      for (const queue of queues)
        sockets.push(openXsk({ interfaceIndex: facts.index, queue, mtu: facts.mtu, zeroCopy, busyPollMicroseconds }));
      const { link, mode } = this.#attach(modes);
      this.#link = link;
      this.mode = mode;
      this.sockets = sockets;
    } catch (error) {
      for (const socket of sockets) socket.close();
      for (const fd of opened) bpf.close(fd);
      throw error;
    }
  }

  /** Take queries for these places from now on, and for no others. */
  setPlaces(places: readonly OwnPlace[]): void {
    const wanted = new Map(
      places.slice(0, MAX_PLACES).map(({ words, port, vlan }) => {
        const key = ownKey(Int32Array.from(words), port, vlan);
        return [Buffer.from(key).toString('hex'), key] as const;
      }),
    );
    for (const [text, key] of this.#places) if (!wanted.has(text)) this.#bpf.remove(this.#own, key);
    for (const [text, key] of wanted) if (!this.#places.has(text)) this.#bpf.update(this.#own, key, new Uint8Array(4));
    this.#places = wanted;
  }

  /** Frames of the queue go to its socket from now on. */
  admit({ queue, fd }: XskSocket): void {
    if (this.#open.has(queue)) return;
    const value = new Uint8Array(4);
    new DataView(value.buffer).setInt32(0, fd, true);
    this.#bpf.update(this.#socketMap, keyOf(queue), value);
    this.#open.add(queue);
  }

  /** Frames of the queue go to the kernel from now on. */
  shut({ queue }: XskSocket): void {
    if (!this.#open.delete(queue)) return;
    try {
      this.#bpf.remove(this.#socketMap, keyOf(queue));
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
    }
  }

  admits({ queue }: XskSocket): boolean {
    return this.#open.has(queue);
  }

  /** False where somebody took the program off, or the interface has gone. */
  get attached(): boolean {
    try {
      return this.#bpf.attachedTo(this.#link) === this.facts.index;
    } catch {
      return false;
    }
  }

  /** What somebody else does with `bpftool link detach`. */
  detach(): void {
    this.#bpf.detach(this.#link);
  }

  /** The program goes first, so that nothing comes any more. No worker may be using the sockets. */
  close(): void {
    this.#bpf.close(this.#link);
    for (const socket of this.sockets) socket.close();
    for (const fd of [this.program, this.#socketMap, this.#own]) this.#bpf.close(fd);
  }

  #attach(modes: readonly ProgramMode[]): { link: number; mode: ProgramMode } {
    for (const mode of modes) {
      try {
        const flag = mode === 'driver' ? XDP_BY_DRIVER : XDP_BY_STACK;
        return { link: this.#bpf.attachXdp(this.program, this.facts.index, flag), mode };
      } catch (error) {
        if (!(error instanceof BpfError) || error.errno !== EOPNOTSUPP || mode === modes.at(-1)) throw error;
      }
    }
    throw new BpfError('attaching the program', EOPNOTSUPP);
  }
}

function keyOf(queue: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, queue, true);
  return key;
}
