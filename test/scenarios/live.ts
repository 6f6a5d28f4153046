/**
 * Scenarios on the real server: its own workers, cache, upstream and disk, by a clock that is turned, with past weeks that were
 * imported. Who asks is said by the PROXY protocol, so that subscribers have their IPv4 and IPv6 addresses and share those of a CG-NAT.
 */
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiagnosisReport, ImportReport } from '../../plugins/query-history/report-shapes.ts';
import { addressWords, isMapped } from '../../src/address/address.ts';
import { queryBytes } from '../support/dns-client.ts';
import { freePort } from '../support/free-port.ts';
import {
  addressRecord,
  answerTo,
  type ScriptedUpstream,
  soa,
  startScriptedUpstream,
} from '../support/scripted-upstream.ts';
import { startTurned, type TurnedServer } from '../support/turned-server.ts';
import { Random } from './random.ts';
import { type Event, World } from './traffic.ts';

const HOUR = 3_600_000;
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const PROXIED_UDP4 = 0x12;
const PROXIED_UDP6 = 0x22;
const IMPORT_HOURS = 48;

export interface LiveSettings {
  readonly seed: number;
  /** Ordinary queries a second. */
  readonly rate: number;
  readonly workers?: number;
  /** How many times as fast as the system's its clock goes: a minute of traffic is sent in so much less. */
  readonly speed?: number;
}

export class LiveServer {
  readonly world: World;
  readonly server: TurnedServer;
  readonly #upstream: ScriptedUpstream;
  readonly #socket: Socket;
  readonly #settings: LiveSettings;
  readonly #proxied: number;
  /** What the upstream says of a name: the code, and after how long by the turned clock. */
  readonly #truth: Map<string, Event>;

  private constructor(
    settings: LiveSettings,
    parts: {
      server: TurnedServer;
      upstream: ScriptedUpstream;
      socket: Socket;
      proxied: number;
      truth: Map<string, Event>;
    },
  ) {
    this.#settings = settings;
    this.server = parts.server;
    this.#upstream = parts.upstream;
    this.#socket = parts.socket;
    this.#proxied = parts.proxied;
    this.#truth = parts.truth;
    this.world = new World(new Random(settings.seed));
  }

  /** Begun, with weeks at the ordinary rate imported. */
  static async start(settings: LiveSettings): Promise<LiveServer> {
    const { workers = 2, speed = 1 } = settings;
    const truth = new Map<string, Event>();
    const upstream = await startScriptedUpstream((query) => {
      const event = truth.get(query.name);
      const rcode = event?.rcode ?? 0;
      const answers = rcode === 0 && query.type === 'A' ? [addressRecord(query, '192.0.2.7', 3600)] : [];
      const bytes = answerTo(query, { rcode, answers, ...(answers.length === 0 && { authorities: [soa(3600)] }) });
      setTimeout(() => query.send(bytes), (event?.latencyMs ?? 0) / speed).unref();
    });
    const [plain, proxied] = [await freePort(), await freePort()];
    const server = await startTurned({
      config: {
        server: {
          workers,
          access: ['10.0.0.0/8', '100.64.0.0/10', '2001:db8::/32', '127.0.0.0/8'],
          listen: [`127.0.0.1:${plain}`, { address: `127.0.0.1:${proxied}`, 'proxy-protocol': ['127.0.0.0/8'] }],
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        plugins: { access: {}, 'random-subdomain': {}, 'amp-shaper': {}, 'query-history': {} },
      },
    });
    const socket = createSocket('udp4');
    const live = new LiveServer(settings, { server, upstream, socket, proxied, truth });
    await live.#importWeeks();
    await server.turn({ speed });
    return live;
  }

  /** The scenario's seconds, each sent in its time by the turned clock. Returns the events. */
  async play(seconds: number, second: () => Generator<Event>): Promise<Event[]> {
    const played: Event[] = [];
    const begin = (await this.server.turn()).nowMs;
    for (let i = 0; i < seconds; i++) {
      const events = [...second()];
      for (const event of events) this.#send(event);
      played.push(...events);
      // What was sent stands in the socket's queue: the next second begins when this one is over by the server's clock.
      while ((await this.server.turn()).nowMs < begin + (i + 1) * 1000)
        await new Promise((ready) => setTimeout(ready, 5));
    }
    return played;
  }

  async call<T>(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly body: T }> {
    const token = readFileSync(join(this.server.folder, 'data', 'admin.token'), 'utf8').trim();
    const response = await fetch(`http://127.0.0.1:${this.server.adminPort}/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as T };
  }

  async diagnose(): Promise<DiagnosisReport> {
    const reason = 'a scenario on the real server';
    return (await this.call<DiagnosisReport>('POST', 'query-history/diagnose', { reason })).body;
  }

  async stop(): Promise<number | string> {
    this.#socket.close();
    const code = await this.server.stop();
    await this.#upstream.close();
    return code;
  }

  async #importWeeks(): Promise<void> {
    const { wallMs } = await this.server.turn();
    const hour = Math.floor(wallMs / HOUR) * HOUR;
    const hours = [1, 2, 3, 4].flatMap((week) =>
      [-1, 0, 1].map((near) => ({
        hour: new Date(hour - (week * 168 + near) * HOUR).toISOString(),
        queries: Math.round(this.#settings.rate * 3600 * this.world.random.between(0.92, 1.08)),
      })),
    );
    if (hours.length > IMPORT_HOURS) throw new RangeError('more hours than one request takes');
    const { body } = await this.call<ImportReport>('POST', 'query-history/imports', {
      source: 'made for the scenario',
      hours,
    });
    if (body.accepted !== hours.length) throw new Error(`imported ${JSON.stringify(body)}`);
  }

  #send(event: Event): void {
    this.#truth.set(event.name.toLowerCase(), event);
    const query = queryBytes({ name: event.name, type: event.type as 'A' });
    const words = addressWords(event.client);
    const isIpv4 = isMapped(words);
    const bytes = Buffer.alloc(16);
    words.forEach((word, i) => void bytes.writeInt32BE(word, 4 * i));
    const source = isIpv4 ? bytes.subarray(12) : bytes;
    const addresses = Buffer.concat([source, Buffer.alloc(source.length, 1), Buffer.from([0x30, 0x39, 0, 53])]);
    const head = Buffer.from([0x21, isIpv4 ? PROXIED_UDP4 : PROXIED_UDP6, 0, addresses.length]);
    this.#socket.send(Buffer.concat([SIGNATURE, head, addresses, query]), this.#proxied, '127.0.0.1');
  }
}
