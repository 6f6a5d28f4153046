/**
 * What the server does inside the kernel, for as long as the process lives: the tables of sources that are dropped, the filters at
 * the sockets, and the fast path past them. Each is missing where the machine or its rights do not allow it; the sockets serve then.
 */
import type { Logger } from 'pino';
import { type Prefix, parsePrefix } from '../address/address.ts';
import { takesDatagrams } from '../address/listen-entry.ts';
import { Bpf, PROGRAM_SOCKET_FILTER } from '../bpf/bpf.ts';
import { missingCapabilities } from '../bpf/capable.ts';
import type { Config } from '../config/config.ts';
import { createDropMaps, DROP_REASONS, type DropEntry, DropTable } from '../drops/drop-table.ts';
import { socketFilter } from '../drops/socket-filter.ts';
import { errorText } from '../errors/errors.ts';
import { outsidersAreDropped } from '../loading/gate.ts';
import { setInEffect } from '../system/capabilities.ts';
import { libc, SO_ATTACH_BPF, SOL_SOCKET } from '../system/libc.ts';
import type { Listeners } from '../transports/listeners.ts';
import { FastPath, type FastPathState } from '../transports/xdp/fast-path.ts';
import { fastPathFault } from './packets-facts.ts';
import type { Workers } from './workers.ts';

/** Entries shown at most. */
const SHOWN_ENTRIES = 4096;
/** How often ended entries are swept away, and filters put to sockets or taken off. */
const TEND_MS = 250;
const SWEPT_AT_ONCE = 512;
/** Not CAP_NET_ADMIN: receive buffers of a reload need it. */
const LOWERED = ['CAP_BPF', 'CAP_NET_RAW'] as const;
const SO_DETACH_FILTER = 27;

interface Filters {
  readonly v4: number;
  readonly v6: number;
}

export class KernelPath {
  readonly drops: DropTable;
  /** Undefined where no packets are taken past the sockets. */
  readonly fastPath: FastPath | undefined;
  /** Why not. */
  readonly fault: string | undefined;
  readonly #bpf: Bpf;
  readonly #filters: Filters;
  /** Sockets that have a filter now. */
  readonly #filtered = new Set<number>();
  #listeners: Listeners | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Networks in the tables because of `server.access`. */
  #access: { readonly prefix: Prefix; readonly family: 4 | 6 }[] = [];

  /** Undefined where the kernel cannot be given programs; why is said in the log. */
  static open(config: Config, log: Logger): KernelPath | undefined {
    const wanted = config.server.udp.io === 'xdp' || config.server.udp.io === 'auto';
    const missing = missingCapabilities(['CAP_BPF']);
    const fault = wanted ? fastPathFault(config) : 'server.udp.io: mmsg';
    if (config.server.udp.io === 'xdp' && fault !== undefined)
      log.warn({ reason: fault }, 'server.udp.io: xdp is not possible here: packets come by sockets, in batches');
    if (missing !== undefined) {
      log.debug({ reason: missing }, 'the kernel cannot be told which sources to drop');
      return undefined;
    }
    try {
      return new KernelPath(log, fault);
    } catch (error) {
      log.warn(
        { reason: errorText(error) },
        'the kernel takes no programs: packets come by sockets, and are dropped there',
      );
      return undefined;
    }
  }

  private constructor(log: Logger, fault: string | undefined) {
    this.fault = fault;
    this.#bpf = new Bpf();
    this.drops = new DropTable(this.#bpf, createDropMaps(this.#bpf));
    const load = (family: 4 | 6) =>
      this.#bpf.loadProgram(PROGRAM_SOCKET_FILTER, socketFilter(family, this.drops.maps).assemble(), 'sekisho_udp');
    this.#filters = { v4: load(4), v6: load(6) };
    if (fault === undefined)
      this.fastPath = new FastPath({
        bpf: this.#bpf,
        drops: this.drops,
        log,
        privileged: (action) => this.#privileged(action),
      });
  }

  /** These workers serve from now on. Resolves when they have what they are to have. */
  async serve(workers: Workers, listeners: Listeners, config: Config): Promise<void> {
    this.#listeners = listeners;
    this.#privileged(() => this.#setAccess(config));
    this.#timer ??= setInterval(() => this.#tend(), TEND_MS).unref();
    this.#tend();
    await this.fastPath?.serve(workers, {
      listen: listeners.bound,
      workers: config.server.workers,
      options: config.server.udp.xdp,
      cautious: config.server.udp.io === 'auto',
    });
  }

  get state(): FastPathState {
    return this.fastPath?.state ?? { interfaces: [], reasons: this.fault === undefined ? [] : [this.fault] };
  }

  entries(): DropEntry[] {
    return this.#privileged(() => this.drops.entries(SHOWN_ENTRIES));
  }

  /** Packets that the kernel dropped, by reason and processor. */
  dropped(): { readonly reason: string; readonly cpu: number; readonly packets: number }[] {
    return this.#privileged(() =>
      DROP_REASONS.slice(1).flatMap((reason) =>
        this.drops.dropped(reason).map((packets, cpu) => ({ reason, cpu, packets })),
      ),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.fastPath?.close();
    for (const fd of [...Object.values(this.#filters), ...Object.values(this.drops.maps)]) this.#bpf.close(fd);
    this.#bpf.end();
  }

  /** Some capabilities are in effect only while they are needed. */
  #privileged<Result>(action: () => Result): Result {
    setInEffect(LOWERED, true);
    try {
      return action();
    } finally {
      setInEffect(LOWERED, false);
    }
  }

  /** Whoever may not ask, and gets no answer that would say so, need not come as far as a worker. */
  #setAccess(config: Config): void {
    for (const { prefix, family } of this.#access.splice(0)) this.drops.removeNetwork(prefix, family);
    if (!outsidersAreDropped(config)) return;
    const lasting = { termMs: Number.POSITIVE_INFINITY, passPerSecond: 0 } as const;
    const put = (text: string, reason: 'let-pass' | 'outsider') => {
      const prefix = parsePrefix(text);
      const family = text.includes(':') ? 6 : 4;
      this.#access.push({ prefix, family });
      return this.drops.dropNetwork(prefix, family, { ...lasting, reason });
    };
    // Those who may ask first: nobody of them is dropped for a moment, nor for good where the table is too small.
    if (config.server.access.every((text) => put(text, 'let-pass')))
      for (const everybody of ['0.0.0.0/0', '::/0'])
        if (!config.server.access.includes(everybody)) put(everybody, 'outsider');
  }

  #tend(): void {
    this.#privileged(() => {
      const { empty } = this.drops;
      if (!empty) this.drops.sweep(SWEPT_AT_ONCE);
      this.#filterSockets(!empty);
    });
  }

  /** An empty table costs nothing: sockets have a filter only while there is something to look for. */
  #filterSockets(on: boolean): void {
    const sockets = this.#listeners?.allUdp ?? [];
    const open = new Set(sockets.map(({ fd }) => fd));
    for (const fd of this.#filtered) if (!open.has(fd)) this.#filtered.delete(fd);
    for (const { fd, v6, entry } of sockets) {
      // What a proxy says of its clients stands in the packet, and the proxy itself is nobody to drop.
      if (!takesDatagrams(entry) || entry.proxies !== undefined || this.#filtered.has(fd) === on) continue;
      const value = new Uint8Array(new Int32Array([on ? (v6 ? this.#filters.v6 : this.#filters.v4) : 0]).buffer);
      if (libc().setsockopt(fd, SOL_SOCKET, on ? SO_ATTACH_BPF : SO_DETACH_FILTER, value, 4) < 0) continue;
      if (on) this.#filtered.add(fd);
      else this.#filtered.delete(fd);
    }
  }
}
