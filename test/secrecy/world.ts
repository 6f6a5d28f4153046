/**
 * The world that the tests of this folder ask: one running server as an ISP has it (subscribers, terms, a C&C list, RADIUS
 * accounting, the admin API with a token for every role, notice page and portal), nsd behind it, a network of its own with
 * IPv6, and a clock that can step. One file of tests, one invariant, one world:
 *
 *     const keep = stoppedAfterwards();
 *     let world: World;
 *     beforeAll(async () => { world = keep(await startWorld({ ranges: `${home(1).ipv4},4711\n` })); });
 *
 *     describe.each(MOMENTS)('$name', ({ come }) => {
 *       beforeAll(() => come(world));
 *       it.each(TRANSPORTS)('nobody looks at a stranger, over $name', async (transport) => {
 *         expect(await world.look(home(2), transport)).toEqual(NOT_INSPECTED);
 *       });
 *     });
 *
 * `look` asks for listed names as the client and compares the counters of lists before and after: not inspected means
 * served *and* not looked up. Starting a server is slow: share one world in a file, and give each doubt a home of its own.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ROLES, type Role } from '../../src/audit/roles.ts';
import { askUdp } from '../support/dns-client.ts';
import { type Ran, sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { type DnsServer, startNsd, zoneText } from '../support/nsd.ts';
import { scrape, waitFor } from '../support/observe.ts';
import { ownAddress } from '../support/own-network.ts';
import { temporaryFolder } from '../support/process.ts';
import { type Attributes, account, type STATUS } from '../support/radius-client.ts';
import { type SekishoConfig, type SekishoServer, startAgain, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';
import { Visitor } from '../support/visitor.ts';
import type { Home, Look, Transport } from './clients.ts';
import { SteppingClock } from './stepping-clock.ts';

const NXDOMAIN = 3;
const BLOCKED = 15;
const START_MS = 60_000;
/** A machine that does much else beside is slow; that no answer comes is never what a test waits for. */
const ANSWER_MS = 15_000;
export const SECRET = 'xyzzy5461';
export const TERMS = '2026-04';
export const PORTAL_HOST = 'optout.isp.example';

export interface WorldOptions {
  /** Text of the file of static ranges. */
  readonly ranges?: string;
  /** Laid over `subscribers` of the configuration. */
  readonly subscribers?: Record<string, unknown>;
  readonly plugins?: Record<string, unknown>;
  /** Other sections, laid over each as a whole; `server`, `admin` and `notice` key by key. */
  readonly config?: SekishoConfig;
  readonly workers?: number;
  /** Where the data folder is, if not below the folder of the world. */
  readonly dataFolder?: string;
}

/** Start it. Everything ends with `stop`. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const nsd = await startNsd({
    zones: [
      { name: 'example', text: zoneText('example', '* A 192.0.2.7\n*.bots A 192.0.2.7\n*.alias CNAME c2.example.') },
    ],
  });
  const folder = temporaryFolder('world');
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const list = (name: string, tier: string, text: string) =>
    ({ name, category: 'c2', tier, format: 'domains', file: file(`${name}.txt`, text) }) as const;
  const [port, radiusPort] = [await freePort(), await freePort()];
  const tokens = ROLES.map((role) => ({ name: `a-${role}`, role, 'token-sha256': digest(tokenOf(role)) }));
  const clock = new SteppingClock(join(folder, 'clock'));
  const { config = {}, workers = 2 } = options;
  const server = await startSekisho({
    readyTimeoutMs: START_MS,
    env: clock.environment,
    config: {
      upstream: { servers: [`127.0.0.1:${nsd.port}`] },
      cache: { size: '1MiB' },
      lists: [
        list('feed', 'confirmed', 'c2.example\n*.bots.example\n'),
        list('doubtful', 'suspected', 'maybe.example\n'),
      ],
      ...config,
      server: {
        listen: [`127.0.0.1:${port}`, `[::1]:${port}`],
        access: ['127.0.0.0/8', '::1/128', '2001:db8::/32'],
        data: options.dataFolder ?? join(folder, 'data'),
        workers,
        ...config.server,
      },
      admin: { 'tokens-file': file('tokens.yaml', stringify(tokens)), ...config.admin },
      subscribers: {
        ranges: file('subscribers.csv', options.ranges ?? ''),
        terms: TERMS,
        groups: [
          { name: '@home', covers: ['c2'] },
          { name: '@wholesale', covers: [] },
        ],
        radius: { listen: `127.0.0.1:${radiusPort}`, 'secret-file': file('radius.secret', `${SECRET}\n`) },
        ...options.subscribers,
      },
      plugins: {
        access: {},
        'c2-block': {},
        ...options.plugins,
        fragile: {
          module: writePlugin(
            'fragile',
            "query(query) { if (is(query, 'exit.test')) process.exit(3); return CONTINUE; },",
          ),
        },
      },
      notice: config.notice === null ? null : { portal: { url: `http://${PORTAL_HOST}/` }, ...config.notice },
    },
  }).catch(async (error) => {
    await nsd.stop();
    throw error;
  });
  const dataFolder = options.dataFolder ?? join(folder, 'data');
  return new World({ server, nsd, folder, dataFolder, port, radiusPort, clock, workers });
}

interface Parts {
  readonly server: SekishoServer;
  readonly nsd: DnsServer;
  readonly folder: string;
  readonly dataFolder: string;
  readonly port: number;
  readonly radiusPort: number;
  readonly clock: SteppingClock;
  readonly workers: number;
}

export class World {
  /** The process that serves now: another one after `kill9`. */
  server: SekishoServer;
  readonly folder: string;
  readonly dataFolder: string;
  readonly rangesFile: string;
  readonly port: number;
  readonly radiusPort: number;
  /** The wall clock of the server; its monotonic clock runs on whatever this one does. */
  readonly clock: SteppingClock;
  readonly #parts: Parts;
  #earlierLogs = '';
  #names = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.server = parts.server;
    this.clock = parts.clock;
    this.folder = parts.folder;
    this.dataFolder = parts.dataFolder;
    this.rangesFile = join(parts.folder, 'subscribers.csv');
    this.port = parts.port;
    this.radiusPort = parts.radiusPort;
  }

  /** Ask for listed names, cached, new and behind an alias, from a home (or one address) on fresh sockets, so that each worker gets some. */
  async look(from: Home | string, { family, ask }: Transport, questions = 6): Promise<Look> {
    const address = typeof from === 'string' ? from : family === 4 ? from.ipv4 : from.ipv6;
    ownAddress(address);
    // A name is looked up without being found where consent is there and the list is not: the larger number counts.
    const counted = async () => {
      const page = await scrape(this.server);
      return ['sekisho_c2_block_lookups_total', 'sekisho_c2_block_hits_total'].map((name) => page.total(name));
    };
    const before = await counted();
    const answers = new Set<string>();
    for (let i = 0; i < questions; i++) {
      const fresh = `n${++this.#names}`;
      const name = ['c2.example', `${fresh}.bots.example`, `${fresh}.alias.example`, 'cached.alias.example'][i % 4]!;
      const where = { port: this.port, host: family === 4 ? '127.0.0.1' : '::1', from: address, timeoutMs: ANSWER_MS };
      const { rcode, extendedErrors, answers: records } = await ask({ name, udpSize: 1232 }, where);
      if (rcode === NXDOMAIN && extendedErrors.includes(BLOCKED)) answers.add('blocked');
      else
        answers.add(
          rcode === 0 && addresses(records) === 1 && extendedErrors.length === 0 ? 'served' : `rcode ${rcode}`,
        );
    }
    const count = Math.max(...(await counted()).map((after, i) => after - (before[i] ?? 0)));
    const lookedUp = count === 0 ? 'none' : count === questions ? 'all' : count;
    return { answers: [...answers].sort().join(' and '), lookedUp };
  }

  /** A report of a NAS at `from`; false where it was not answered. */
  account(
    status: keyof typeof STATUS,
    attributes: Attributes,
    from = '127.0.0.1',
    timeoutMs = 5_000,
  ): Promise<boolean> {
    return account({ port: this.radiusPort, secret: SECRET, from, timeoutMs }, status, attributes);
  }

  /** The admin API, with the token of every role unless one role's is asked for. */
  async json<Body>(method: string, path: string, body?: object, role?: Role): Promise<{ status: number; body: Body }> {
    const token =
      role === undefined ? readFileSync(join(this.dataFolder, 'admin.token'), 'utf8').trim() : tokenOf(role);
    const response = await fetch(`http://127.0.0.1:${this.server.adminPort}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as Body };
  }

  cli(...words: string[]): Promise<Ran> {
    return sekisho([...words, '--config', this.server.configFile], { limitMs: 60_000 });
  }

  /** A browser at that address, for notice page and portal. */
  visitor(from: string): Visitor {
    return new Visitor(from, this.server.noticePort);
  }

  /** All that the server wrote, those before a kill included. */
  log(): string {
    return this.#earlierLogs + this.server.stdout() + this.server.stderr();
  }

  /** Put a file in the place of another as configuration management does: whole, or not at all. */
  replace(file: string, text: string | Uint8Array): void {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  /** SIGHUP, until the new generation serves. */
  async reload(): Promise<void> {
    const reloads = () => this.server.stdout().split('"msg":"reloaded"').length;
    const before = reloads();
    process.kill(this.server.pid, 'SIGHUP');
    await waitFor('the reload', () => reloads() > before, START_MS);
  }

  /** As many deaths as there are workers, until all serve again. */
  async restartWorkers(): Promise<void> {
    for (let i = 0; i < this.#parts.workers; i++) {
      const restarts = async () => (await scrape(this.server)).total('sekisho_worker_restarts_total');
      const before = await restarts();
      void askUdp({ name: 'exit.test' }, { port: this.port, timeoutMs: 100 }).catch(() => {});
      await waitFor('a worker died', async () => (await restarts()) > before, START_MS);
      const serving = async () => (await scrape(this.server)).total('sekisho_workers_serving');
      await waitFor('all workers serve', async () => (await serving()) === this.#parts.workers, START_MS);
    }
  }

  /** The process is gone at once, without a word; another one starts on the same data folder. `between`: while none runs. */
  async kill9(between: () => void = () => {}): Promise<void> {
    process.kill(this.server.pid, 'SIGKILL');
    await this.server.ended;
    await this.#startAgain(between);
  }

  /** The process ends in order; another one starts on the same data folder. `between`: while none runs. */
  async restart(between: () => void = () => {}): Promise<void> {
    await this.server.stop();
    await this.#startAgain(between);
  }

  async #startAgain(between: () => void): Promise<void> {
    this.#earlierLogs += this.server.stdout() + this.server.stderr();
    between();
    this.server = await startAgain(this.server, {
      readyTimeoutMs: START_MS,
      env: this.clock.environment,
    });
    await this.#clockSeen();
  }

  /** Put the server's wall clock forward, or back where negative, until the server shows it. */
  async stepClock(seconds: number): Promise<void> {
    this.clock.step(seconds);
    await this.#clockSeen();
  }

  /** The `Date` of its HTTP answers, which Node keeps for a second. */
  async #clockSeen(): Promise<void> {
    const shown = async () => {
      const { headers } = await fetch(`http://127.0.0.1:${this.server.adminPort}/healthz`);
      return Date.parse(headers.get('date') ?? '');
    };
    await waitFor('the server shows the time', async () => Math.abs((await shown()) - this.clock.nowMs()) < 10_000);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.#parts.nsd.stop();
  }
}

function addresses(records: readonly { readonly type: string }[]): number {
  return records.filter(({ type }) => type === 'A').length;
}

function tokenOf(role: Role): string {
  return `token-of-${role}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
