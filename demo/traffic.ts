/** Queries of subscribers, each from an address of its own; so many a second, and never more than the bound. */
import { createSocket, type Socket } from 'node:dgram';
import { queryBytes } from '../test/support/dns-client.ts';
import { addressOf, hostsOf, SITES, SUBSCRIBERS } from './isp.ts';

/** Of everything together: what a laptop does not notice. */
export const MOST_PER_SECOND = 2_000;
const TICK_MS = 50;

export interface Question {
  readonly name: string;
  readonly type?: string;
  /** Number of the subscriber who asks. */
  readonly from: number;
}

export class Traffic {
  readonly #sockets: readonly Socket[];
  readonly #port: number;
  readonly #flows = new Set<{ readonly perSecond: number; readonly next: () => Question; owed: number }>();
  readonly #timer: NodeJS.Timeout;
  #answers = 0;

  private constructor(sockets: readonly Socket[], port: number) {
    this.#sockets = sockets;
    this.#port = port;
    for (const socket of sockets) socket.on('message', () => this.#answers++).on('error', () => {});
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  static async start(port: number): Promise<Traffic> {
    const sockets = await Promise.all(
      Array.from({ length: SUBSCRIBERS }, async (_, subscriber) => {
        const socket = createSocket('udp4');
        await new Promise<void>((resolve, reject) => {
          socket.once('error', reject);
          socket.bind(0, addressOf(subscriber), resolve);
        });
        return socket;
      }),
    );
    return new Traffic(sockets, port);
  }

  get answers(): number {
    return this.#answers;
  }

  /** Returns what ends it. */
  flow(perSecond: number, next: () => Question): () => void {
    const flow = { perSecond, next, owed: 0 };
    this.#flows.add(flow);
    return () => void this.#flows.delete(flow);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  #tick(): void {
    const all = [...this.#flows].reduce((sum, { perSecond }) => sum + perSecond, 0);
    const share = all > MOST_PER_SECOND ? MOST_PER_SECOND / all : 1;
    for (const flow of this.#flows) {
      flow.owed += (flow.perSecond * share * TICK_MS) / 1000;
      for (; flow.owed >= 1; flow.owed--) {
        const { name, type = 'A', from } = flow.next();
        this.#sockets[from % this.#sockets.length]?.send(queryBytes({ name, type }), this.#port, '127.0.0.1', () => {});
      }
    }
  }
}

/** What people look at: few names much, many a little. */
export function everyday(): Question {
  const site = Math.min(SITES - 1, Math.floor(SITES * Math.random() ** 3));
  const hosts = hostsOf(site);
  const name = hosts[Math.floor(Math.random() * hosts.length)] ?? 'www.site0.example';
  const type = Math.random() < 0.3 ? 'AAAA' : Math.random() < 0.1 ? 'MX' : 'A';
  // A name that does not exist now and then, as people mistype.
  const asked = Math.random() < 0.03 ? `typo${Math.floor(Math.random() * 50)}.site${site}.example` : name;
  return { name: asked, type, from: Math.floor(Math.random() * SUBSCRIBERS) };
}
