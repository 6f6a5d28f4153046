/**
 * A list behind an HTTP or HTTPS address: asked conditionally, bounded in every direction, retried with growing pauses.
 */

import { rm } from 'node:fs/promises';
import { Agent } from 'undici';
import { durationText } from '../../settings/units.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import { type HttpAnswer, type HttpRequest, httpExchange } from './http-request.ts';
import {
  backOff,
  FetchFailure,
  type FetchOptions,
  type FetchResult,
  failed,
  type Known,
  type ListSource,
  type Provenance,
  type Random,
} from './source.ts';
import { pause, systemTimers, type Timers } from './timers.ts';

export interface HttpSourceOptions {
  /** http: or https:. User and password become basic authentication and appear nowhere else. */
  readonly url: string;
  /** Folder for temporary files: the list's own in the data folder. */
  readonly folder: string;
  /** Of the body, both as it comes and decoded. */
  readonly maxBytes: number;
  readonly known: () => Known;
  readonly random: Random;
  /** Sent to this origin only, e.g. `authorization` or a vendor's API key. */
  readonly secretHeaders?: Readonly<Record<string, string>>;
  /** PEM of certificate authorities to trust instead of Node's own. */
  readonly ca?: string;
  readonly limits?: Partial<HttpLimits>;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

export interface HttpLimits {
  readonly connectMs: number;
  /** Until the answer begins. */
  readonly headersMs: number;
  /** Silence in the middle of the body. undici counts in steps of half a second. */
  readonly bodyMs: number;
  /** For everything together, repetitions included. */
  readonly totalMs: number;
  /** Tries per fetch, and the pause before the second, which doubles. */
  readonly tries: number;
  readonly firstPauseMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  bodyMs: 30_000,
  totalMs: 600_000,
  tries: 3,
  firstPauseMs: 1000,
};

const MAX_PAUSE_MS = 30_000;
/** What makes undici's errors worth another try (besides answers, which say so themselves). */
const TRANSIENT_CODES =
  /^(UND_ERR_(CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|SOCKET)|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

/** Throws TypeError where `url` is no http(s) address. */
export function httpSource(options: HttpSourceOptions): ListSource {
  const { known, random, clock = systemClock, timers = systemTimers } = options;
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const { url, secretHeaders } = withoutCredentials(options);
  const description = urlForPeople(url);

  async function fetch(signal: AbortSignal, { again = false }: FetchOptions = {}): Promise<FetchResult> {
    // The total is what a slow drip of bytes runs into: every byte restarts undici's own timeouts.
    const deadline = new AbortController();
    const cancelDeadline = timers.after(limits.totalMs, () => deadline.abort());
    // One connection per fetch: fetches are minutes apart.
    const agent = new Agent({
      connect: { timeout: limits.connectMs, ...(options.ca !== undefined && { ca: options.ca }) },
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.bodyMs,
      maxHeaderSize: 32 * 1024,
      pipelining: 1,
    });
    const delivered = known().delivered;
    const base = !again && delivered?.source === description ? delivered : undefined;
    const request: HttpRequest = {
      url,
      secretHeaders,
      headers: { 'user-agent': 'sekisho', accept: '*/*', 'accept-encoding': 'gzip, deflate, br', ...validators(base) },
      agent,
      signal: AbortSignal.any([signal, deadline.signal]),
      folder: options.folder,
      maxBytes: options.maxBytes,
    };
    try {
      return await result(await withRetries(request), base);
    } catch (error) {
      if (signal.aborted) return { kind: 'failed', reason: `${description}: was given up` };
      if (deadline.signal.aborted) {
        return { kind: 'failed', reason: `${description}: took longer than ${durationText(limits.totalMs)}` };
      }
      const failure = failed(error);
      return failure.kind === 'failed' ? { ...failure, reason: `${description}: ${failure.reason}` } : failure;
    } finally {
      cancelDeadline();
      await agent.destroy();
    }
  }

  async function withRetries(request: HttpRequest): Promise<HttpAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await httpExchange(request, clock.wallMs());
      } catch (error) {
        if (request.signal.aborted || attempt + 1 >= limits.tries || !isTransient(error)) throw error;
        const pauseMs = backOff(attempt, limits.firstPauseMs, MAX_PAUSE_MS, random);
        const askedMs = error instanceof FetchFailure ? (error.retryAfterMs ?? 0) : 0;
        // Whoever asks for a long pause gets it from the schedule.
        if (askedMs > MAX_PAUSE_MS) throw error;
        await pause(timers, Math.max(pauseMs, askedMs), request.signal);
        if (request.signal.aborted) throw error;
      }
    }
  }

  async function result(answer: HttpAnswer, base: Provenance | undefined): Promise<FetchResult> {
    if (answer.kind === 'not-modified') return { kind: 'unchanged' };
    const { file, headers } = answer;
    const contentType = headers['content-type'];
    const provenance: Provenance = {
      source: description,
      fetchedAtMs: clock.wallMs(),
      sha256: file.sha256,
      bytes: file.bytes,
      ...(headers['etag'] !== undefined && { etag: headers['etag'] }),
      ...(headers['last-modified'] !== undefined && { lastModified: headers['last-modified'] }),
      ...(contentType !== undefined && { contentType }),
      ...(/^text\/html\b/i.test(contentType ?? '') && {
        notes: ['the server calls it text/html: a web page, not a list?'],
      }),
    };
    if (base?.sha256 !== file.sha256) return { kind: 'content', path: file.path, provenance };
    await rm(file.path, { force: true });
    return { kind: 'unchanged', provenance };
  }

  return { description, fetch };
}

/** RFC 9110 §13.1: both may be sent; a server that knows entity tags ignores the date. */
function validators(base: Provenance | undefined): Record<string, string> {
  return {
    ...(base?.etag !== undefined && { 'if-none-match': base.etag }),
    ...(base?.lastModified !== undefined && { 'if-modified-since': base.lastModified }),
  };
}

function isTransient(error: unknown): boolean {
  if (error instanceof FetchFailure) return error.transient;
  if (error instanceof AggregateError) return error.errors.some(isTransient);
  return TRANSIENT_CODES.test((error as NodeJS.ErrnoException)?.code ?? '');
}

function withoutCredentials(options: HttpSourceOptions): { url: URL; secretHeaders: Record<string, string> } {
  // Not the text itself in the message: it may hold a password.
  if (!URL.canParse(options.url)) throw new TypeError('the address of the list cannot be read as a URL');
  const url = new URL(options.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`a list is fetched by http: or https:, not ${url.protocol}`);
  }
  const secretHeaders: Record<string, string> = {};
  if (url.username !== '' || url.password !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    secretHeaders['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  url.username = '';
  url.password = '';
  return { url, secretHeaders: { ...secretHeaders, ...options.secretHeaders } };
}

/** Vendors put keys into the query: it is left out, as user and password are. */
export function urlForPeople(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}
