/**
 * Live figures for consoles, by server-sent events: computed once for all of them, every two seconds, and only while somebody looks.
 *
 *     event: past      the points of the last quarter of an hour, as far as somebody looked, to whoever comes
 *     event: figures   to all
 *     event: ended     to one whose session has ended; it asks for a login
 *
 * A browser that reads too slowly is let go: it comes back by itself, and nothing piles up here.
 */

import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { faultOf } from '../errors/fault-text.ts';
import type { MetricSample } from '../metrics/prometheus.ts';
import type { Timers } from '../time/timers.ts';
import { consoleError } from './errors.ts';
import { type Figures, figuresBetween, type Point, pointOf, type Reading, readCounters } from './figures.ts';

export const EVERY_MS = 2000;
/** The first figures are made of less, so that whoever comes first sees some soon. */
export const FIRST_MS = 250;
/** Consoles at once, of all sessions together. */
export const MOST_CLIENTS = 64;
/** A quarter of an hour. */
const MOST_POINTS = (15 * 60_000) / EVERY_MS;
/** What a browser may be behind before it is let go. */
const MOST_UNSENT_BYTES = 256 * 1024;
/** In which a browser comes back after its stream broke. */
const RETRY_MS = 2000;

export interface LiveParts {
  readonly samples: (name: string) => readonly MetricSample[];
  readonly timers: Timers;
  readonly clock: { nowMs(): number; wallMs(): number };
  readonly log: Pick<Logger, 'warn'>;
}

export interface LiveClient {
  /** Whether it may still be told; looked at before each event. */
  readonly alive: () => boolean;
}

export class LiveFigures {
  readonly #parts: LiveParts;
  readonly #clients = new Map<ServerResponse, LiveClient>();
  readonly #points: Point[] = [];
  #status: () => object | Promise<object> = () => ({});
  #before: Reading | undefined;
  #stop: (() => void) | undefined;
  #stopFirst: (() => void) | undefined;
  /** For whoever comes between two. */
  #latest = '';
  #busy = false;
  #failed = false;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Where the state of the server comes from; of the configuration in force. */
  takeStatus(status: () => object | Promise<object>): void {
    this.#status = status;
  }

  /** Throws SekishoError SEKISHO_LIVE_FULL. */
  refuseWhereFull(): void {
    if (this.#clients.size >= MOST_CLIENTS)
      throw consoleError('SEKISHO_LIVE_FULL', `${MOST_CLIENTS} consoles show live figures already`);
  }

  /** The head of the answer has been sent: its body from now on. */
  join(response: ServerResponse, client: LiveClient): void {
    this.#clients.set(response, client);
    const gone = () => {
      this.#clients.delete(response);
      if (this.#clients.size === 0) this.#rest();
    };
    response.once('close', gone);
    response.once('error', gone);
    response.write(
      `retry: ${RETRY_MS}\n${eventOf('past', { everyMs: EVERY_MS, points: this.#points })}${this.#latest}`,
    );
    if (this.#stop === undefined) {
      this.#before = readCounters(this.#parts.samples, this.#parts.clock);
      this.#stop = this.#parts.timers.every(EVERY_MS, () => void this.#tick());
      this.#stopFirst = this.#parts.timers.every(FIRST_MS, () => {
        this.#stopFirst?.();
        this.#stopFirst = undefined;
        void this.#tick();
      });
    }
  }

  /** For those who do not stay: figures since the last reading, or of a moment. */
  async once(): Promise<Figures> {
    const before = this.#before ?? readCounters(this.#parts.samples, this.#parts.clock);
    return figuresBetween(before, readCounters(this.#parts.samples, this.#parts.clock), await this.#status());
  }

  close(): void {
    for (const response of this.#clients.keys()) response.end();
    this.#clients.clear();
    this.#rest();
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#stopFirst?.();
    this.#stopFirst = undefined;
    this.#latest = '';
    this.#before = undefined;
    this.#points.length = 0;
  }

  async #tick(): Promise<void> {
    const before = this.#before;
    if (this.#busy || before === undefined) return;
    this.#busy = true;
    try {
      const after = readCounters(this.#parts.samples, this.#parts.clock);
      const figures = figuresBetween(before, after, await this.#status());
      if (this.#stop === undefined) return;
      this.#before = after;
      this.#points.push(pointOf(figures));
      if (this.#points.length > MOST_POINTS) this.#points.shift();
      const event = eventOf('figures', figures);
      this.#latest = event;
      for (const [response, { alive }] of this.#clients) {
        if (!alive()) response.end(eventOf('ended', {}));
        else if (response.writableLength > MOST_UNSENT_BYTES) response.destroy();
        else response.write(event);
      }
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#parts.log.warn({ fault: faultOf(error) }, 'failed to compute live figures');
      this.#failed = true;
    } finally {
      this.#busy = false;
    }
  }
}

function eventOf(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
