/**
 * One HTTP exchange of a list source (RFC 9110): redirects followed within bounds, the body decoded, bounded in size and
 * time, and written to a temporary file.
 */
import { pipeline } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { type Agent, type Dispatcher, request } from 'undici';
import { sizeText } from '../../settings/units.ts';
import { type Finished, IncomingFile } from './incoming-file.ts';
import { FetchFailure, plainReason } from './source.ts';

export interface HttpRequest {
  readonly url: URL;
  /** Sent to the origin of `url` only, never to where it redirects. */
  readonly secretHeaders: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
  readonly signal: AbortSignal;
  readonly folder: string;
  /** Of the body, both as it comes and decoded. */
  readonly maxBytes: number;
}

export type HttpAnswer =
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'content'; readonly file: Finished; readonly headers: Readonly<Record<string, string>> };

const MAX_REDIRECTS = 3;
/** A server may not put us off for longer than this. */
const MAX_RETRY_AFTER_MS = 86_400_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Answers that may be others in a moment (RFC 9110 §15.5.9, §15.6; RFC 6585 §4; RFC 8470 §5.2). */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Throws FetchFailure, or what undici throws. Leaves no file behind when it throws. */
export async function httpExchange(options: HttpRequest, nowMs: number): Promise<HttpAnswer> {
  let url = options.url;
  for (let redirects = 0; ; redirects++) {
    const sameOrigin = url.origin === options.url.origin;
    const response = await request(url, {
      dispatcher: options.agent,
      signal: options.signal,
      headers: { ...options.headers, ...(sameOrigin ? options.secretHeaders : {}) },
    });
    const headers = plainHeaders(response.headers);
    if (response.statusCode === 200) return { kind: 'content', file: await save(response, headers, options), headers };
    // Whatever it says is of no interest; an endless one is cut.
    response.body.on('error', () => {}).destroy();
    if (response.statusCode === 304) {
      if (!options.headers['if-none-match'] && !options.headers['if-modified-since']) {
        throw new FetchFailure('the server said 304 Not Modified although nothing was asked conditionally');
      }
      return { kind: 'not-modified' };
    }
    if (!REDIRECTS.has(response.statusCode)) throw refusal(response.statusCode, headers['retry-after'], nowMs);
    if (redirects === MAX_REDIRECTS) throw new FetchFailure(`more than ${MAX_REDIRECTS} redirects`);
    url = redirectTarget(url, headers['location']);
  }
}

/** Where a redirect leads. Throws FetchFailure where we do not follow. */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const to = location === undefined || !URL.canParse(location, from.href) ? undefined : new URL(location, from);
  if (!to) throw new FetchFailure('a redirect that leads nowhere');
  if (to.protocol !== 'https:' && to.protocol !== 'http:') {
    throw new FetchFailure(`a redirect to ${to.protocol} is not followed`);
  }
  // Whoever sits on the way could put any list in our hands.
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new FetchFailure(`a redirect from https to http (${to.host}) is not followed`);
  }
  to.username = '';
  to.password = '';
  return to;
}

/** RFC 9110 §10.2.3: seconds or a date. Undefined where it is neither or lies in the past. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

function refusal(status: number, retryAfter: string | undefined, nowMs: number): FetchFailure {
  const ms = retryAfterMs(retryAfter, nowMs);
  const transient = TRANSIENT.has(status);
  return new FetchFailure(`the server answered ${status}`, {
    transient,
    ...(ms !== undefined && { retryAfterMs: ms }),
  });
}

async function save(
  response: Dispatcher.ResponseData,
  headers: Readonly<Record<string, string>>,
  { folder, maxBytes, url }: HttpRequest,
): Promise<Finished> {
  const announced = Number(headers['content-length']);
  if (announced > maxBytes) {
    response.body.on('error', () => {}).destroy();
    throw new FetchFailure(`the server announces ${announced} bytes, more than the limit of ${sizeText(maxBytes)}`);
  }
  const incoming = await IncomingFile.create(folder, maxBytes);
  try {
    const codings = (headers['content-encoding'] ?? '')
      .toLowerCase()
      .split(',')
      .map((each) => each.trim());
    if (isGzipFile(url, headers['content-type'])) codings.unshift('gunzip-file');
    let body: AsyncIterable<Uint8Array> = bounded(response.body, maxBytes);
    // RFC 9110 §8.4: listed in the order in which they were applied.
    for (const coding of codings.reverse()) body = decoded(body, coding);
    for await (const chunk of body) await incoming.write(chunk);
    return await incoming.finish();
  } catch (error) {
    await incoming.discard();
    if (error instanceof FetchFailure) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (
      code.startsWith('Z_') ||
      code.startsWith('ERR__ERROR') ||
      code.startsWith('ERR_BROTLI') ||
      code.startsWith('ERR_PADDING')
    ) {
      throw new FetchFailure(`the compressed body is broken: ${plainReason(error)}`);
    }
    throw error;
  }
}

/** Compressed bytes are bounded too: an endless body can decode to nothing at all. */
async function* bounded(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new FetchFailure(`is longer than the limit of ${sizeText(maxBytes)}`);
    yield chunk;
  }
}

async function* decoded(body: AsyncIterable<Uint8Array>, coding: string): AsyncGenerator<Uint8Array> {
  if (coding === '' || coding === 'identity') {
    yield* body;
    return;
  }
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return;
  const decoder = decoderFor(coding, first.value);
  if (!decoder) {
    yield first.value;
    yield* rest(chunks);
    return;
  }
  // Its callback makes errors of the source reach whoever reads the decoder.
  pipeline(prepend(first.value, chunks), decoder, () => {});
  yield* decoder;
}

/** Undefined: the bytes are to be taken as they are. */
function decoderFor(coding: string, start: Uint8Array) {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'gunzip-file':
      // A server that stores .gz files may have decoded it for us as a content coding.
      return start[0] === 0x1f && start[1] === 0x8b ? createGunzip() : undefined;
    case 'deflate':
      // RFC 9110 §8.4.1.2: with a zlib header, which "some non-conformant implementations" leave out.
      return ((start[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw();
    case 'br':
      return createBrotliDecompress();
    default:
      throw new FetchFailure(`the server uses the content coding '${coding.slice(0, 20)}', which was not asked for`);
  }
}

async function* prepend(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest(chunks);
}

async function* rest(chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  } finally {
    await chunks.return?.();
  }
}

/** Feeds are often files that were compressed once, which is no content coding. */
function isGzipFile(url: URL, contentType: string | undefined): boolean {
  return url.pathname.endsWith('.gz') || /^application\/(x-)?gzip\b/i.test(contentType ?? '');
}

function plainHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const plain: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}
