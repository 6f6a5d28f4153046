/** A fleet as an operator runs it: real PostgreSQL, and one process a node. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetStatusView } from '../../../src/fleet/view.ts';
import { askUdp } from '../dns-client.ts';
import { type Ran, sekisho } from '../field.ts';
import { waitFor } from '../observe.ts';
import type { Postgres } from '../postgres.ts';
import { temporaryFolder } from '../process.ts';
import { type SekishoServer, startAgain, startSekisho } from '../sekisho.ts';

const NXDOMAIN = 3;
const BLOCKED = 15;
export const LISTED = 'c2.example';

export interface RealNodeOptions {
  readonly name: string;
  readonly postgres: Postgres;
  readonly database: string;
  readonly upstreamPort: number;
  /** Subscriber `s1` asks from the first, `s2` from the second … */
  readonly clients: readonly string[];
  /** Changes of the section `fleet`. */
  readonly fleet?: object;
  /** More of the configuration. */
  readonly config?: object;
  /** A data folder that is there already. */
  readonly data?: string;
  /** The URL of PostgreSQL, where it is not that of `postgres`. */
  readonly urlFile?: string;
}

export class RealNode {
  readonly options: RealNodeOptions;
  readonly #folder: string;
  server: SekishoServer;
  #paused = false;

  private constructor(options: RealNodeOptions, folder: string, server: SekishoServer) {
    this.options = options;
    this.#folder = folder;
    this.server = server;
  }

  static async start(options: RealNodeOptions): Promise<RealNode> {
    const folder = temporaryFolder(`fleet-${options.name}`);
    writeFileSync(
      join(folder, 'subscribers.csv'),
      options.clients.map((client, i) => `${client},s${i + 1}\n`).join(''),
    );
    writeFileSync(join(folder, 'c2.txt'), `${LISTED}\n`);
    const config = {
      server: { data: options.data ?? join(folder, 'data') },
      upstream: { servers: [`127.0.0.1:${options.upstreamPort}`] },
      cache: { size: '1MiB' },
      subscribers: { ranges: join(folder, 'subscribers.csv'), terms: '2026-04' },
      lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') }],
      plugins: { access: {}, 'c2-block': {} },
      fleet: {
        node: options.name,
        postgres: {
          'url-file': options.urlFile ?? options.postgres.urlFile(options.database),
          'statement-timeout': '2s',
        },
        ...options.fleet,
      },
      ...options.config,
    };
    return new RealNode(options, folder, await startSekisho({ config, readyTimeoutMs: 60_000 }));
  }

  get data(): string {
    return this.options.data ?? join(this.#folder, 'data');
  }

  async json<Body>(
    method: string,
    path: string,
    body?: object,
    timeoutMs = 30_000,
  ): Promise<{ status: number; body: Body }> {
    const response = await fetch(`http://127.0.0.1:${this.server.adminPort}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${readFileSync(join(this.data, 'admin.token'), 'utf8').trim()}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, body: (await response.json()) as Body };
  }

  init(): Promise<{ status: number; body: { done: string[]; problem: string | null } }> {
    return this.json('POST', '/v1/fleet/init', { reason: 'a test' });
  }

  async status(): Promise<FleetStatusView> {
    return (await this.json<FleetStatusView>('GET', '/v1/fleet')).body;
  }

  toggle(subscriber: string, action: 'opt-out' | 'opt-in', reason = 'a test', timeoutMs?: number) {
    return this.json<{ purposes: { purpose: string; state: string; inspected: boolean }[]; durable: boolean }>(
      'POST',
      `/v1/consent/subscribers/${subscriber}/${action}`,
      { reason },
      timeoutMs,
    );
  }

  /** `blocked`: the name was compared with a list; `truth`: it was answered; `nothing`: no answer came. */
  async seen(subscriber: number, timeoutMs = 2000): Promise<'blocked' | 'truth' | 'nothing'> {
    const from = this.options.clients[subscriber - 1]!;
    try {
      const reply = await askUdp({ name: LISTED, udpSize: 1232 }, { port: this.server.port, from, timeoutMs });
      return reply.rcode === NXDOMAIN && reply.extendedErrors.includes(BLOCKED) ? 'blocked' : 'truth';
    } catch {
      return 'nothing';
    }
  }

  async inspects(subscriber = 1, withinMs = 20_000): Promise<void> {
    await waitFor(
      `node ${this.options.name} to inspect`,
      async () => (await this.seen(subscriber)) === 'blocked',
      withinMs,
    );
  }

  async inspectsNobody(subscriber = 1, withinMs = 20_000): Promise<void> {
    await waitFor(
      `node ${this.options.name} to inspect nobody`,
      async () => (await this.seen(subscriber)) === 'truth',
      withinMs,
    );
  }

  /** The command line of this node. */
  cli(...words: string[]): Promise<Ran> {
    return sekisho([...words, '--config', this.server.configFile], { limitMs: 90_000 });
  }

  async problem(code: string, withinMs = 30_000): Promise<FleetStatusView> {
    return waitFor(
      `node ${this.options.name} to say ${code}`,
      async () => {
        const status = await this.status();
        return status.problem?.code === code && status.fenced && status;
      },
      withinMs,
    );
  }

  async kill(): Promise<void> {
    if (this.#paused) this.resume();
    await this.server.stop('SIGKILL');
  }

  async startAgain(): Promise<void> {
    this.server = await startAgain(this.server, { readyTimeoutMs: 60_000 });
  }

  pause(): void {
    process.kill(this.server.pid, 'SIGSTOP');
    this.#paused = true;
  }

  resume(): void {
    process.kill(this.server.pid, 'SIGCONT');
    this.#paused = false;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  stop(): Promise<unknown> {
    if (this.#paused) this.resume();
    return this.server.stop();
  }
}

/** Loopback addresses, one a subscriber. */
export const clientsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `127.0.1.${i + 1}`);
