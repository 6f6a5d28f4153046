/**
 * The admin API: JSON over HTTP, for the command line, for monitoring and for plugins' own routes.
 *
 *   node:http ──▶ current Fastify application ──▶ handlers ──▶ callbacks of the server
 *                  └─ swapped as a whole on reload, because routes of plugins come and go
 *
 * The listening socket outlives every application, so that no request is lost when the configuration changes.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { endpointText } from '../address/address.ts';
import { listenError } from '../errors/errors.ts';
import { faultOf } from '../errors/fault-text.ts';
import { boundConnections, type HttpConnectionsOptions } from '../transports/http-connections.ts';
import { createApp } from './app.ts';
import type { AdminDeps } from './deps.ts';
import { ADMIN_TOKEN_FILE, ensureAdminToken, Tokens } from './tokens.ts';

export interface Admin {
  /** Port that is listened on, also where the configuration said 0. */
  readonly port: number;
  /**
   * Make everything ready to answer with another configuration, other plugins, other tokens. The address stays: moving it
   * needs a restart. Rejects, and changes nothing, where a plugin's routes are wrong.
   */
  prepare(deps: AdminDeps): Promise<PreparedAdmin>;
  /** Take no more requests, finish those under way (at most `DRAIN_MS`), let go of the port. */
  close(): Promise<void>;
}

/** What stands ready and is not in force yet. */
export interface PreparedAdmin {
  /** In force from now on; requests under way are finished by what was before. */
  commit(): void;
  /** Not in force after all. */
  discard(): void;
}

/** Longest that one request may take to arrive. */
const REQUEST_MS = 10_000;
/** Longest that a connection may stand still while no handler works for it. */
const IDLE_MS = 30_000;
/**
 * Connections at once. The API is for a handful of people and programs, but one of them may be a portal that brings a thousand
 * changes of consent a second, each on a connection of its own while the disk is slow for some tenths of a second.
 */
const MAX_CONNECTIONS = 512;
const MAX_CONNECTIONS_PER_ADDRESS = 384;
const MAX_HEADER_BYTES = 8192;
const MAX_HEADERS = 64;
/** How long `close` waits for requests under way. */
const DRAIN_MS = 1000;

/** Rejects with a SekishoError where the port or the data folder cannot be used. */
export async function startAdmin(
  deps: AdminDeps,
  { idleMs = IDLE_MS, spared }: Partial<Pick<HttpConnectionsOptions, 'idleMs' | 'spared'>> = {},
): Promise<Admin> {
  const { listen } = deps.config.admin;
  const { token, made, loose } = await ensureAdminToken(deps.config.server.dataFolder);
  const file = `${deps.config.server.dataFolder}/${ADMIN_TOKEN_FILE}`;
  if (made) deps.log.info({ file }, 'wrote the admin token');
  if (loose) deps.log.warn({ file }, 'users other than the owner may read or change the admin token: chmod 600');

  const build = async (from: AdminDeps): Promise<FastifyInstance> => {
    const app = await createApp(from, new Tokens(token, from.config.admin.tokens));
    await app.ready();
    return app;
  };
  let current = await build(deps);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS / 2,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 2000,
      // A client that is gone without a word is noticed also while a handler works for it.
      keepAlive: true,
      keepAliveInitialDelay: IDLE_MS,
    },
    (request, response) => current.routing(request, response),
  );
  boundConnections(server, {
    most: MAX_CONNECTIONS,
    mostPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
    idleMs,
    ...(spared !== undefined && { spared }),
    closed: () => deps.log.debug({}, 'admin API: an idle connection was closed to make room for another'),
  });
  server.maxHeadersCount = MAX_HEADERS;
  await listening(server, listen.address, listen.port);
  // Such as a lack of file descriptors at accept; without a listener it would end the process.
  server.on('error', (error) => deps.log.warn({ fault: faultOf(error) }, 'admin API: failed to accept a connection'));

  return {
    port: (server.address() as AddressInfo).port,
    async prepare(next) {
      const app = await build(next);
      // Not awaited: a reload that came over this very API is still being answered by the old application.
      const letGo = (old: FastifyInstance) =>
        void old
          .close()
          .catch((error: unknown) => next.log.warn({ fault: faultOf(error) }, 'failed to close admin routes'));
      return {
        commit: () => {
          letGo(current);
          current = app;
        },
        discard: () => letGo(app),
      };
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const force = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearTimeout(force);
      await current.close();
    },
  };
}

function listening(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(listenError(`${endpointText({ address, port })} (admin.listen)`, error));
    server.once('error', failed);
    server.listen({ host: address, port, ipv6Only: address.includes(':') }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
