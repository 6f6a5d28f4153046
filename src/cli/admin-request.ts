/**
 * One request to the admin API, which may take minutes: it is waited for as long as the server lives.
 *
 *   request ───────────────────────────────────────────────────────▶ answer
 *      └ every few seconds: GET /healthz on a connection of its own ──▶ lives │ silent │ gone
 *
 * Time alone does not tell a server that works from one that died. A server that lives answers its health check while a handler
 * works; one that ended lets go of the connection; one that hangs does neither, and is given up after `silentMs`.
 */

import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { type Endpoint, endpointText } from '../address/address.ts';
import { errorText, type SekishoError } from '../errors/errors.ts';
import { cliError } from './errors.ts';

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

export interface Patience {
  /** Until the server takes the connection. */
  readonly connectMs: number;
  /** Between two looks at whether it lives, and the longest that one of them may take. */
  readonly lookMs: number;
  /** Looks in a row without an answer, in milliseconds: longer, and the server is taken for hung. */
  readonly silentMs: number;
}

export const PATIENCE: Patience = { connectMs: 10_000, lookMs: 5_000, silentMs: 60_000 };

/**
 * Throws SekishoError: SEKISHO_SERVER_UNREACHABLE where no server takes the request, SEKISHO_SERVER_LOST where one took it and
 * ended or hung before it answered, SEKISHO_SERVER_ANSWER where the answer is not HTTP. `remark` is told, in words for the person
 * who waits, when the server is silent, and '' when it is not any more.
 */
export async function askAdmin(
  listen: Endpoint,
  asked: AdminRequest,
  patience: Patience = PATIENCE,
  remark: (words: string) => void = () => {},
): Promise<AdminAnswer> {
  const { method, path, headers, body } = asked;
  const waiting = new AbortController();
  let taken = false;
  const request = open(listen, {
    method,
    path,
    headers: { ...headers, 'content-length': Buffer.byteLength(body ?? '') },
  });
  const connecting = setTimeout(() => request.destroy(new NotTaken(patience.connectMs)), patience.connectMs);
  request.once('socket', (socket) =>
    socket.once('connect', () => {
      taken = true;
      clearTimeout(connecting);
      void watch(listen, patience, remark, waiting.signal).then((hung) => hung && request.destroy(new Hung()));
    }),
  );
  try {
    return await answerTo(request, body);
  } catch (error) {
    throw await explained(error as Error, taken, listen, asked, patience);
  } finally {
    clearTimeout(connecting);
    waiting.abort();
  }
}

/** The server took no connection in time. */
class NotTaken extends Error {
  constructor(ms: number) {
    super(`no connection in ${ms / 1000} s`);
  }
}

/** It took the request, and does not even answer its health check. */
class Hung extends Error {}

/** Look whether the server lives, again and again until `signal`. Resolves to true where it has been silent for too long. */
async function watch(
  listen: Endpoint,
  { lookMs, silentMs }: Patience,
  remark: (words: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  for (let silentLooks = 0; ; ) {
    await pause(lookMs, signal);
    if (signal.aborted) return false;
    const alive = await lives(listen, lookMs, signal);
    if (signal.aborted) return false;
    silentLooks = alive ? 0 : silentLooks + 1;
    remark(
      alive ? '' : `the server does not answer its health check (${silentLooks} in a row): it is busy, or it hangs`,
    );
    if (silentLooks * lookMs >= silentMs) return true;
  }
}

/** Any answer at all is a sign of life. */
async function lives(listen: Endpoint, limitMs: number, signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    await answerTo(open(listen, { method: 'GET', path: '/healthz', signal: limit }), undefined);
    return true;
  } catch {
    return false;
  }
}

/** On a connection of its own: one that was kept could be closed by the server at the very moment of a request. */
function open({ address, port }: Endpoint, options: RequestOptions): ClientRequest {
  return httpRequest({ host: address, port, agent: false, ...options });
}

function answerTo(request: ClientRequest, body: string | undefined): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.end(body);
  });
}

async function explained(
  error: NodeJS.ErrnoException,
  taken: boolean,
  listen: Endpoint,
  { method, path }: AdminRequest,
  { lookMs, silentMs }: Patience,
): Promise<SekishoError> {
  const at = endpointText(listen);
  if (!taken) {
    const message = `no running server answers at ${at} (admin.listen): ${error.code ?? errorText(error)}`;
    return cliError('SEKISHO_SERVER_UNREACHABLE', message, { cause: error });
  }
  if (error.code?.startsWith('HPE_')) {
    const message = `what answers at ${at} is not Sekisho's admin API (${error.code})`;
    return cliError('SEKISHO_SERVER_ANSWER', message, { cause: error });
  }
  const work = `${method} ${path.replace(/\?.*/s, '')}`;
  if (error instanceof Hung) {
    const message = `the server at ${at} took ${work} and has not answered even its health check for ${silentMs / 1000} s: it hangs`;
    return cliError('SEKISHO_SERVER_LOST', message, { cause: error });
  }
  const alive = await lives(listen, lookMs, new AbortController().signal);
  const message = alive
    ? `the server at ${at} let go of ${work} before it was answered, and answers again: was it restarted?`
    : `the server at ${at} ended while it was at work on ${work}`;
  return cliError('SEKISHO_SERVER_LOST', message, { cause: error });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
