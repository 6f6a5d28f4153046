/**
 * What the commands know of the running server: they ask its admin API.
 */

import { addressWords, type Endpoint, endpointText, isWildcard } from '../address/address.ts';
import { readAdminToken } from '../admin/tokens.ts';
import { type AdminLocation, adminLocation } from '../config/load.ts';
import { ERROR_CODE, errorText, SekishoError } from '../errors/errors.ts';
import { cliError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** How long a command waits for an answer. */
const TIMEOUT_MS = 10_000;

/** GET `path` of the server that `configPath` configures. Throws SekishoError, worded for the person at the terminal. */
export function getJson<Body>(path: string, configPath: string | undefined, terminal: Terminal): Promise<Body> {
  return sendJson('GET', path, undefined, configPath, terminal);
}

/** Any request, with `content` as its JSON body where there is one. For those that take long, `timeoutMs` says how long.
 * `alsoTaken`: a status that is no error to the caller. */
export async function sendJson<Body>(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  content: unknown,
  configPath: string | undefined,
  terminal: Terminal,
  timeoutMs = TIMEOUT_MS,
  alsoTaken?: number,
): Promise<Body> {
  const location = await adminLocation({ path: configPath, workFolder: terminal.workFolder });
  const token = await tokenFor(location, terminal);
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (content !== undefined) headers['content-type'] = 'application/json';
  const body = content === undefined ? undefined : JSON.stringify(content);
  const response = await ask(location, path, { method, headers, ...(body !== undefined && { body }) }, timeoutMs);
  const answer = await jsonOf(response, location);
  if (response.ok || response.status === alsoTaken) return answer as Body;
  throw refusal(response.status, answer, location);
}

async function tokenFor(location: AdminLocation, terminal: Terminal): Promise<string> {
  const given = terminal.env['SEKISHO_TOKEN']?.trim();
  if (given) return given;
  try {
    return await readAdminToken(location.dataFolder);
  } catch (error) {
    // Where no server runs, that is what has to be said first: the token may just not be there yet.
    await ask(location, '/healthz', {});
    throw error;
  }
}

async function ask(
  location: AdminLocation,
  path: string,
  request: RequestInit,
  timeoutMs = TIMEOUT_MS,
): Promise<Response> {
  const listen = reachable(location.listen);
  try {
    return await fetch(`http://${endpointText(listen)}${path}`, {
      ...request,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
    const why =
      cause?.code ??
      (error instanceof Error && error.name === 'TimeoutError'
        ? `no answer in ${timeoutMs / 1000} s`
        : errorText(cause ?? error));
    const message = `no running server answers at ${endpointText(listen)} (admin.listen): ${why}`;
    throw cliError('SEKISHO_SERVER_UNREACHABLE', message, { cause: error });
  }
}

async function jsonOf(response: Response, { listen }: AdminLocation): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    const message = `what answers at ${endpointText(listen)} is not Sekisho's admin API (HTTP ${response.status})`;
    throw cliError('SEKISHO_SERVER_ANSWER', message, { cause: error });
  }
}

/** The server's own words, where it gives any. */
function refusal(status: number, body: unknown, { listen }: AdminLocation): SekishoError {
  const { code, message, remedy, details } = ((body as { error?: unknown } | null)?.error ?? {}) as {
    code?: unknown;
    message?: unknown;
    remedy?: unknown;
    details?: unknown;
  };
  if (typeof code === 'string' && ERROR_CODE.test(code) && typeof message === 'string') {
    const lines = Array.isArray(details) ? details.filter((detail) => typeof detail === 'string') : [];
    // The remedy comes with it: the code may be a plugin's, of which the command line knows nothing.
    const said = typeof remedy === 'string' ? remedy : '';
    return new SekishoError(code, { status, exitCode: 1, remedy: said }, message, { details: lines });
  }
  return cliError('SEKISHO_SERVER_ANSWER', `${endpointText(listen)} answered HTTP ${status} without saying why`);
}

/** A server that listens on every address is asked over loopback. */
function reachable(listen: Endpoint): Endpoint {
  if (!isWildcard(addressWords(listen.address))) return listen;
  return { address: listen.address.includes(':') ? '::1' : '127.0.0.1', port: listen.port };
}
