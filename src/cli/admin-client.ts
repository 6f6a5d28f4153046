/**
 * What the commands know of the running server: they ask its admin API.
 */

import { addressWords, type Endpoint, endpointText, isWildcard } from '../address/address.ts';
import { readAdminToken } from '../admin/tokens.ts';
import type { SendOptions } from '../commands/admin-api.ts';
import type { Terminal } from '../commands/terminal.ts';
import { type AdminLocation, adminLocation } from '../config/load.ts';
import { ERROR_CODE, SekishoError } from '../errors/errors.ts';
import { askAdmin, PATIENCE } from './admin-request.ts';
import { cliError } from './errors.ts';
import { withProgress } from './progress.ts';

/**
 * Any request, with `content` as its JSON body where there is one. There is no limit to how long the server may work on it, as
 * long as it lives (admin-request.ts).
 */
export async function sendJson<Body>(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  content: unknown,
  configPath: string | undefined,
  terminal: Terminal,
  { doing, silentMs = PATIENCE.silentMs, alsoTaken }: SendOptions = {},
): Promise<Body> {
  const location = await adminLocation({ path: configPath, workFolder: terminal.workFolder });
  const token = await tokenFor(location, terminal);
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (content !== undefined) headers['content-type'] = 'application/json';
  const body = content === undefined ? undefined : JSON.stringify(content);
  const listen = reachable(location.listen);
  const waitingFor = doing ?? `waiting for the server at ${endpointText(listen)}`;
  const { status, text } = await withProgress(waitingFor, terminal, (remark) =>
    askAdmin(listen, { method, path, headers, ...(body !== undefined && { body }) }, { ...PATIENCE, silentMs }, remark),
  );
  const answer = jsonOf(status, text, location);
  if ((status >= 200 && status < 300) || status === alsoTaken) return answer as Body;
  throw refusal(status, answer, location);
}

async function tokenFor(location: AdminLocation, terminal: Terminal): Promise<string> {
  const given = terminal.env['SEKISHO_TOKEN']?.trim();
  if (given) return given;
  try {
    return await readAdminToken(location.dataFolder);
  } catch (error) {
    // Where no server runs, that is what has to be said first: the token may just not be there yet.
    await askAdmin(reachable(location.listen), { method: 'GET', path: '/healthz', headers: {} });
    throw error;
  }
}

function jsonOf(status: number, text: string, { listen }: AdminLocation): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `what answers at ${endpointText(listen)} is not Sekisho's admin API (HTTP ${status})`;
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
