/**
 * A worker thread's wait on Linux: one epoll set holds the UDP sockets, the upstream sockets and libuv's own descriptor.
 *
 *      ┌──▶ wait (epoll) ─▶ receive, answer, send ─▶ tick every 10 ms ─┐
 *      │                                                              │
 *      └───◀── libuv's turn: when it has work, when idle, every 5 ms ◀─┘
 *
 * libuv (timers, promises, TCP, messages from the main thread) gets its turn through `setImmediate`. After it had work it gets
 * two turns more: descriptors that its callbacks added are only watched from its next turn on.
 */

import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_DATA_AT,
  EPOLL_EVENT_BYTES,
  EPOLLET,
  EPOLLIN,
  type Libc,
  libc,
  type NativeMemory,
  PR_SET_TIMERSLACK,
} from '../system/libc.ts';
import type { RoundClock } from '../time/clock.ts';

const MAX_EVENTS = 256;
/** Longest wait; also how late a timer of libuv may be when nothing else happens. */
const IDLE_WAIT_MS = 50;
/** How often `tick` runs, and so the resolution of upstream timeouts. */
export const TICK_MS = 10;
/** Under load libuv has a turn at least this often. */
const YIELD_MS = 5;
/** Datagrams per millisecond from which waiting a little makes batches worth it. */
const PAUSE_FROM_PER_MS = 15;
/** Datagrams that a batch should have after a pause: more bring little, and add latency. */
const GATHERED = 16;
/** A batch this full needs no pause. */
const FULL_ENOUGH = 24;

export interface LoopParts {
  /** Refreshed when packets have come, and before each tick. */
  readonly clock: RoundClock;
  /** Called about every 10 ms while busy, every 50 ms when nothing happens. */
  readonly tick: (nowMs: number) => void;
  /** Called after each round of receiving, with how long it took in milliseconds: let what was gathered go. */
  readonly roundEnded: (elapsedMs: number) => void;
  /** True while something waits for a timeout, so that ticks must come on time. */
  readonly busy: () => boolean;
  /** Longest time in microseconds to let packets gather when traffic is brisk, 0 = never. Adds up to that much latency. */
  readonly longestPause: number;
}

export class NativeLoop {
  readonly #libc: Libc = libc();
  readonly #epoll: number;
  readonly #events: NativeMemory;
  readonly #clock: RoundClock;
  readonly #tick: (nowMs: number) => void;
  readonly #busy: () => boolean;
  readonly #roundEnded: (elapsedMs: number) => void;
  readonly #longestPause: number;
  /** What to call for each watched descriptor; returns the number of datagrams it took. */
  readonly #callbacks: ((() => number) | undefined)[] = [];
  readonly #groups: WatchedGroup[] = [];
  readonly #joining = eventMemory();
  readonly #uvSlot: number;
  #turnsOwed = 2;
  #stopped = false;
  /** Longest time from waking up to waiting again, in milliseconds: so long may a packet have had to wait for this thread. */
  longestBusyMs = 0;

  constructor(parts: LoopParts) {
    this.#clock = parts.clock;
    this.#tick = parts.tick;
    this.#busy = parts.busy;
    this.#roundEnded = parts.roundEnded;
    this.#longestPause = parts.longestPause;
    this.#epoll = this.#libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new Error('epoll_create1 failed');
    this.#events = this.#libc.allocate(MAX_EVENTS * 16);
    // Without this a pause of 50 µs lasts 100: the kernel rounds short sleeps up by the thread's slack.
    if (this.#longestPause > 0) this.#libc.prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    const uv = this.#libc.uvBackendFd();
    this.#uvSlot = uv >= 0 ? this.watch(uv, () => 0) : -1;
  }

  /** The epoll descriptor, to be closed by the main thread should this one die. */
  get descriptor(): number {
    return this.#epoll;
  }

  /** Call `readable` whenever `fd` has something to read. Returns a handle for `unwatch`. */
  watch(fd: number, readable: () => number): number {
    const slot = this.#callbacks.indexOf(undefined) >= 0 ? this.#callbacks.indexOf(undefined) : this.#callbacks.length;
    const event = new Uint8Array(16);
    event[0] = EPOLLIN;
    new DataView(event.buffer).setInt32(EPOLL_DATA_AT, slot, true);
    if (this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event) < 0)
      throw new Error(`epoll_ctl: error ${this.#libc.errno()}`);
    this.#callbacks[slot] = readable;
    return slot;
  }

  unwatch(slot: number, fd: number): void {
    this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_DEL, fd, new Uint8Array(16));
    this.#callbacks[slot] = undefined;
  }

  /**
   * Many descriptors with one callback. It is called once a round with the numbers of those that have got something since;
   * each is told once for each arrival, so it must be read until nothing is left.
   */
  watchGroup(readable: (members: Int32Array, count: number) => number): WatchedGroup {
    const group = {
      slot: FIRST_GROUP_SLOT - this.#groups.length,
      readable,
      ready: new Int32Array(MAX_EVENTS),
      count: 0,
    };
    this.#groups.push(group);
    return group;
  }

  /** Take a descriptor into the group as number `member`, 0 or above. It leaves when it is closed. */
  join(group: WatchedGroup, fd: number, member: number): void {
    const { bytes, view } = this.#joining;
    view.setUint32(0, EPOLLIN | EPOLLET, true);
    view.setInt32(EPOLL_DATA_AT, group.slot, true);
    view.setInt32(EPOLL_DATA_AT + 4, member, true);
    if (this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, bytes) < 0)
      throw new Error(`epoll_ctl: error ${this.#libc.errno()}`);
  }

  /** Give libuv a turn soon: something was begun that needs one (a TCP connection, a write that did not fit). */
  nudge(): void {
    this.#turnsOwed = 2;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `stop`. Rejects with what a callback threw. */
  async run(): Promise<void> {
    let lastTickMs = this.#clock.refresh();
    let lastYieldMs = lastTickMs;
    let nowMs = lastTickMs;
    let sinceTick = 0;
    let pause = 0;
    let taken = 0;
    while (!this.#stopped) {
      if (pause > 0 && taken < FULL_ENOUGH && this.#turnsOwed === 0) this.#libc.usleep(pause);
      const waitMs = this.#waitMs(taken, nowMs - lastTickMs);
      const ready = this.#libc.epoll_wait(this.#epoll, this.#events.address, MAX_EVENTS, waitMs);
      const begunMs = this.#clock.refresh();
      taken = 0;
      for (let i = 0; i < ready; i++) {
        const slot = this.#eventSlot(i);
        if (slot <= FIRST_GROUP_SLOT) {
          const group = this.#groups[FIRST_GROUP_SLOT - slot]!;
          group.ready[group.count++] = this.#eventMember(i);
        } else if (slot === this.#uvSlot) this.#turnsOwed = 2;
        else taken += this.#callbacks[slot]?.() ?? 0;
      }
      for (let i = 0; i < this.#groups.length; i++) taken += readReady(this.#groups[i]!);
      sinceTick += taken;
      nowMs = taken > 0 ? this.#clock.refresh() : begunMs;
      this.#roundEnded(nowMs - begunMs);
      if (nowMs - lastTickMs >= TICK_MS) {
        this.#tick(nowMs);
        pause = this.#pauseFor(sinceTick / (nowMs - lastTickMs));
        sinceTick = 0;
        lastTickMs = nowMs;
      }
      if (this.#turnsOwed > 0 || ready <= 0 || nowMs - lastYieldMs >= YIELD_MS) {
        if (this.#turnsOwed > 0) this.#turnsOwed--;
        await turn();
        nowMs = this.#clock.refresh();
        lastYieldMs = nowMs;
      }
      if (nowMs - begunMs > this.longestBusyMs) this.longestBusyMs = nowMs - begunMs;
    }
  }

  close(): void {
    this.#libc.close(this.#epoll);
  }

  /** Microseconds to let packets gather at this rate, so that about GATHERED of them come in one batch. */
  #pauseFor(packetsPerMs: number): number {
    if (packetsPerMs < PAUSE_FROM_PER_MS) return 0;
    return Math.min(this.#longestPause, Math.round((GATHERED * 1000) / packetsPerMs));
  }

  /** How long to wait for packets: not at all while there is work, and never past the next tick that something needs. */
  #waitMs(taken: number, sinceTickMs: number): number {
    if (this.#turnsOwed > 0 || taken >= FULL_ENOUGH) return 0;
    if (!this.#busy()) return this.#uvSlot >= 0 ? IDLE_WAIT_MS : TICK_MS;
    return sinceTickMs >= TICK_MS ? 0 : Math.ceil(TICK_MS - sinceTickMs);
  }

  #eventSlot(i: number): number {
    return this.#eventWord(i * EPOLL_EVENT_BYTES + EPOLL_DATA_AT);
  }

  #eventMember(i: number): number {
    return this.#eventWord(i * EPOLL_EVENT_BYTES + EPOLL_DATA_AT + 4);
  }

  #eventWord(at: number): number {
    const bytes = this.#events.bytes;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
}

/** All members of a group have one slot: this one, or one below it. A slot of -1 is nobody's. */
const FIRST_GROUP_SLOT = -2;

/** Descriptors with one callback, and the numbers of those that have something to read in this round. */
export interface WatchedGroup {
  readonly slot: number;
  readonly readable: (members: Int32Array, count: number) => number;
  readonly ready: Int32Array;
  count: number;
}

function readReady(group: WatchedGroup): number {
  const { count } = group;
  if (count === 0) return 0;
  // First, so that what throws is not handed the same ones again.
  group.count = 0;
  return group.readable(group.ready, count);
}

function eventMemory(): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(16);
  return { bytes, view: new DataView(bytes.buffer) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
