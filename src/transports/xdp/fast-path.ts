/**
 * The fast path as the main thread keeps it: opens what the plan says, gives each worker its queues, and watches.
 *
 *     serve(workers) ─▶ plan ─▶ interfaces open ─▶ queue n to worker n mod workers ─▶ taken ─▶ frames admitted
 *
 * Whatever happens, the sockets are there: frames of a queue that nobody serves go on to the kernel. A queue is shut when its
 * worker dies (at once), when its frames are not taken for half a second, and while sockets are opened again because the
 * interface, its queues or its MTU have changed. A program that somebody took off stays off until the next reload.
 *
 * Every socket's memory is used by one thread: before it goes to another, or away, the one that has it has said that it is done
 * with it, or has ended.
 */
import { networkInterfaces } from 'node:os';
import type { ListenEntry } from '../../address/listen-entry.ts';
import type { Bpf } from '../../bpf/bpf.ts';
import type { DropTable } from '../../drops/drop-table.ts';
import { libc } from '../../system/libc.ts';
import { FastPathInterface } from './fast-path-interface.ts';
import { type FastPathOptions, type FastPathPlan, type PlannedInterface, planFastPath } from './fast-path-plan.ts';
import { type InterfaceFacts, interfaceFacts } from './interface-facts.ts';
import type { OwnPlace } from './own-places.ts';
import type { FastPathShare } from './xdp-listener.ts';
import type { XskSocket } from './xsk-socket.ts';

/** How often the watch looks. */
const WATCH_MS = 250;
/** Looks without a frame being taken after which a queue is shut. */
const STALLED_LOOKS = 2;
/** Looks between two at addresses, queues and interfaces that have gone. */
const REFRESH_LOOKS = 4;

/** The workers of one configuration, as far as they are needed here (process/workers.ts). */
export interface FastPathWorkers {
  /** Have the worker at `place` use these queues in place of those it has. Resolves when it does, or is gone. */
  give(place: number, share: FastPathShare): Promise<void>;
  /** Resolves when no worker of them uses any queue any more, after they were told to stop. */
  released(): Promise<void>;
}

export interface FastPathConfig {
  /** With the ports that were really bound. */
  readonly listen: readonly ListenEntry[];
  readonly workers: number;
  readonly options: FastPathOptions;
  readonly cautious: boolean;
}

export interface FastPathParts {
  readonly bpf: Bpf;
  readonly drops: DropTable;
  readonly log: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  /** Runs what needs capabilities. */
  readonly privileged: <Result>(action: () => Result) => Result;
}

/** What is served now, for people. */
export interface FastPathState {
  readonly interfaces: readonly {
    readonly name: string;
    /** `zero-copy`, `copy`: what the driver does; `generic`: the kernel's stack runs the program. */
    readonly mode: 'zero-copy' | 'copy' | 'generic';
    readonly queues: number;
    /** Queues whose frames go to the sockets for now. */
    readonly shut: number;
    readonly up: boolean;
  }[];
  readonly reasons: readonly string[];
}

interface Queue {
  readonly socket: XskSocket;
  readonly place: number;
  /** The worker at the place uses it. */
  taken: boolean;
  /** Frames that were taken when the watch last looked, and looks since. */
  consumed: number;
  stalled: number;
  readonly receive: { readonly words: Int32Array; readonly producer: number; readonly consumer: number };
}

interface Served {
  readonly card: FastPathInterface;
  readonly queues: Queue[];
  places: readonly OwnPlace[];
  readonly planned: PlannedInterface;
  readonly options: FastPathOptions;
  /** Its sockets were another configuration's workers', and the driver may still hold chunks of theirs. */
  stale: boolean;
  /** Its program is not there any more, and it is about to be closed. */
  lost: boolean;
}

export class FastPath {
  readonly #parts: FastPathParts;
  #owner: FastPathWorkers | undefined;
  #config: FastPathConfig | undefined;
  #served: Served[] = [];
  #reasons: readonly string[] = [];
  /** Interfaces whose program somebody took off: names by index. */
  readonly #takenOff = new Map<number, string>();
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  /** One change after another. */
  #work: Promise<void> = Promise.resolve();
  #saidReasons = '';
  #lost = 0;

  constructor(parts: FastPathParts) {
    this.#parts = parts;
  }

  /** These workers serve from now on; those before were told to stop. Resolves when their queues are theirs. */
  serve(workers: FastPathWorkers, config: FastPathConfig): Promise<void> {
    const before = this.#owner;
    this.#owner = workers;
    this.#config = config;
    this.#takenOff.clear();
    for (const served of this.#served) {
      for (const queue of served.queues) queue.taken = false;
      served.stale = before !== workers && served.queues.some(({ socket }) => socket.zeroCopy);
    }
    this.#timer ??= setInterval(() => this.#look(), WATCH_MS);
    this.#timer.unref();
    return this.#enqueue(async () => {
      if (before !== undefined && before !== workers) {
        const { shutLater } = this.#shutIfLate();
        await before.released();
        clearTimeout(shutLater);
      }
      await this.#refresh();
    });
  }

  /** The worker at `place` has come up. */
  ready(workers: FastPathWorkers, place: number): void {
    if (workers === this.#owner) void this.#enqueue(() => this.#give(place));
  }

  /** The worker at `place` has ended: its frames go to the sockets at once. */
  gone(workers: FastPathWorkers, place: number): void {
    if (workers !== this.#owner) return;
    for (const served of this.#served) {
      for (const queue of served.queues) {
        if (queue.place !== place) continue;
        served.card.shut(queue.socket);
        queue.taken = false;
        // The driver holds chunks that no ring shows: the successor begins with a socket of its own.
        if (queue.socket.zeroCopy) void this.#enqueue(() => this.#reopen(served, 'a worker ended'));
      }
    }
  }

  get state(): FastPathState {
    return {
      interfaces: this.#served.map(({ card, queues }) => ({
        name: card.facts.name,
        mode: card.mode === 'stack' ? 'generic' : queues.every(({ socket }) => socket.zeroCopy) ? 'zero-copy' : 'copy',
        queues: queues.length,
        shut: queues.filter(({ socket }) => !card.admits(socket)).length,
        up: interfaceFacts(card.facts.name)?.up ?? false,
      })),
      reasons: [
        ...this.#reasons,
        ...[...this.#takenOff.values()].map(
          (name) => `interface '${name}': somebody took the program off; reload to put it back`,
        ),
      ],
    };
  }

  /** Of `server.listen`: what is taken straight from an interface. */
  get listeners(): ListenEntry[] {
    const places = new Set(this.#served.flatMap((served) => served.places.map(({ listener }) => listener)));
    return (this.#config?.listen ?? []).filter((_, i) => places.has(i));
  }

  /** Frames that the kernel dropped because no worker took them in time, of interfaces that have gone too. */
  get lost(): number {
    return this.#lost + this.#served.reduce((sum, { queues }) => sum + lostBy(queues), 0);
  }

  /** Nothing is taken any more. The workers have ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#enqueue(async () => {
      this.#owner = undefined;
      for (const served of this.#served.splice(0)) this.#close(served);
    });
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    const done = this.#work.then(action).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.log.warn(
        { reason },
        'the fast path failed to change; packets come by the sockets where it is not open',
      );
    });
    this.#work = done;
    return done;
  }

  /** Former workers that hang keep their queues; meanwhile the frames are the kernel's. */
  #shutIfLate(): { shutLater: NodeJS.Timeout } {
    const shut = () => {
      for (const { card, queues } of this.#served) for (const { socket } of queues) card.shut(socket);
    };
    return { shutLater: setTimeout(shut, WATCH_MS) };
  }

  /** Make what is open what the plan says. */
  async #refresh(): Promise<void> {
    const config = this.#config;
    if (config === undefined || this.#owner === undefined) return;
    const plan = this.#parts.privileged(() =>
      planFastPath({ ...config, addresses: networkInterfaces(), facts: interfaceFacts }),
    );
    const wanted = plan.interfaces.filter(({ facts }) => !this.#takenOff.has(facts.index));
    for (const served of [...this.#served]) {
      const planned = wanted.find(({ facts }) => facts.index === served.card.facts.index);
      // While it is down it has no addresses that anybody would be told of; it may come back as it was.
      if (planned === undefined && isDown(served.card.facts)) continue;
      if (planned === undefined || !sameCard(served, planned, config)) await this.#retire(served);
    }
    const failed: string[] = [];
    const changed: Served[] = [];
    for (const planned of wanted) {
      const served = this.#served.find(({ card }) => card.facts.index === planned.facts.index);
      if (served === undefined) {
        const opened = this.#open(planned, config);
        if (typeof opened === 'string') failed.push(opened);
        else changed.push(opened);
      } else if (!samePlaces(served.places, planned.places)) {
        // Frames for what is served no more go to the kernel before the workers forget it; what is new comes when they know it.
        served.places = planned.places;
        changed.push(served);
      } else if (served.queues.some(({ taken }) => !taken)) changed.push(served);
    }
    this.#say(plan, failed);
    if (changed.length === 0) return;
    await Promise.all(this.#placesOfWorkers.map((place) => this.#give(place)));
    for (const { card, places } of changed) this.#parts.privileged(() => card.setPlaces(places));
  }

  #open(planned: PlannedInterface, config: FastPathConfig): Served | string {
    const { options, cautious, workers } = config;
    const { facts, queues } = planned;
    try {
      const card = this.#parts.privileged(
        () =>
          new FastPathInterface({
            bpf: this.#parts.bpf,
            facts,
            drops: this.#parts.drops.maps,
            modes: options.generic && !cautious ? ['driver', 'stack'] : ['driver'],
            queues,
            zeroCopy: options.zeroCopy,
            busyPollMicroseconds: options.busyPollMicroseconds,
          }),
      );
      const served: Served = {
        card,
        places: planned.places,
        planned,
        options,
        stale: false,
        lost: false,
        queues: card.sockets.map((socket, i) => ({
          socket,
          place: i % workers,
          taken: false,
          consumed: 0,
          stalled: 0,
          receive: receiveRing(socket),
        })),
      };
      this.#served.push(served);
      const [state] = this.state.interfaces.filter(({ name }) => name === facts.name);
      this.#parts.log.info(
        { interface: facts.name, mode: state?.mode, queues: queues.length },
        'queries are taken straight from the network interface; tcpdump and netfilter do not see them (docs/fast-path.md)',
      );
      return served;
    } catch (error) {
      return `interface '${facts.name}': ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Give a worker all its queues, and admit their frames when it has them. */
  async #give(place: number): Promise<void> {
    const owner = this.#owner;
    if (owner === undefined) return;
    const mine = this.#served.flatMap((served) =>
      served.queues.filter((queue) => queue.place === place).map((queue) => ({ served, queue })),
    );
    const places = this.#served.flatMap((served) => served.places);
    await owner.give(place, { queues: mine.map(({ queue }) => plain(queue.socket)), places: unique(places) });
    if (owner !== this.#owner) return;
    for (const { served, queue } of mine) {
      queue.taken = true;
      queue.stalled = 0;
      this.#parts.privileged(() => {
        served.card.admit(queue.socket);
        served.card.setPlaces(served.places);
      });
    }
  }

  async #reopen(served: Served, why: string): Promise<void> {
    if (!this.#served.includes(served)) return;
    this.#parts.log.info({ interface: served.card.facts.name, why }, 'the interface’s queues are opened again');
    await this.#retire(served);
    await this.#refresh();
  }

  /** Its workers let go of it, then it is closed. */
  async #retire(served: Served): Promise<void> {
    this.#served = this.#served.filter((each) => each !== served);
    for (const { socket } of served.queues) served.card.shut(socket);
    const places = new Set(served.queues.filter(({ taken }) => taken).map(({ place }) => place));
    await Promise.all([...places].map((place) => this.#give(place)));
    this.#close(served);
  }

  #close(served: Served): void {
    this.#lost += lostBy(served.queues);
    served.card.close();
  }

  #look(): void {
    this.#looks++;
    for (const served of this.#served) {
      const { card, queues } = served;
      for (const queue of queues) this.#lookAtQueue(served, queue);
      if (served.lost || card.attached) continue;
      const { name, index } = card.facts;
      served.lost = true;
      const exists = interfaceFacts(name)?.index === index;
      if (exists) this.#takenOff.set(index, name);
      this.#parts.log.warn(
        { interface: name },
        exists
          ? 'somebody took the program off the network interface: packets come by the sockets; reload to put it back'
          : 'the network interface has gone: packets come by the sockets',
      );
      void this.#enqueue(() => this.#retire(served));
    }
    if (this.#looks % REFRESH_LOOKS === 0) void this.#enqueue(() => this.#refresh());
  }

  /** Shut a queue whose frames nobody takes; open it again when somebody does. */
  #lookAtQueue({ card }: Served, queue: Queue): void {
    if (!queue.taken) return;
    const { words, producer, consumer } = queue.receive;
    const consumed = Atomics.load(words, consumer);
    const waiting = Atomics.load(words, producer) !== consumed;
    queue.stalled = waiting && consumed === queue.consumed ? queue.stalled + 1 : 0;
    queue.consumed = consumed;
    if (queue.stalled >= STALLED_LOOKS) this.#parts.privileged(() => card.shut(queue.socket));
    else if (queue.stalled === 0 && !card.admits(queue.socket)) this.#parts.privileged(() => card.admit(queue.socket));
  }

  #say({ reasons }: FastPathPlan, failed: readonly string[]): void {
    this.#reasons = [...reasons, ...failed];
    const text = this.#reasons.join('; ');
    if (text === this.#saidReasons) return;
    this.#saidReasons = text;
    if (text !== '') this.#parts.log.info({ reasons: this.#reasons }, 'some packets come by the sockets');
  }

  get #placesOfWorkers(): number[] {
    return Array.from({ length: this.#config?.workers ?? 0 }, (_, place) => place);
  }
}

function lostBy(queues: readonly Queue[]): number {
  return queues.reduce((sum, { socket }) => sum + socket.lost(), 0);
}

/** The same interface with the same queues, so that what is open can go on. */
function sameCard(served: Served, wanted: PlannedInterface, { workers, options }: FastPathConfig): boolean {
  const { card, planned, queues } = served;
  const { facts } = wanted;
  return (
    !served.stale &&
    JSON.stringify(served.options) === JSON.stringify(options) &&
    card.attached &&
    card.facts.mtu === facts.mtu &&
    sameMac(card.facts, facts) &&
    planned.queues.join() === wanted.queues.join() &&
    queues.every(({ place }, i) => place === i % workers)
  );
}

function isDown({ name, index }: InterfaceFacts): boolean {
  const now = interfaceFacts(name);
  return now !== undefined && now.index === index && !now.up;
}

function sameMac(one: InterfaceFacts, other: InterfaceFacts): boolean {
  return one.mac.every((byte, i) => byte === other.mac[i]);
}

function samePlaces(one: readonly OwnPlace[], other: readonly OwnPlace[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function unique(places: readonly OwnPlace[]): OwnPlace[] {
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

/** Without what cannot be sent to a thread. */
function plain({ fd, mtu, zeroCopy, memory, fill, receive, send, complete }: XskSocket) {
  return { fd, mtu, zeroCopy, memory, fill, receive, send, complete };
}

function receiveRing({ receive }: XskSocket): Queue['receive'] {
  const words = new Int32Array(libc().view(receive.address, receive.bytes), 0, receive.bytes >>> 2);
  return { words, producer: receive.producer >>> 2, consumer: receive.consumer >>> 2 };
}
