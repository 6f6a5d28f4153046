/**
 * The listener of the notice page and the portal: its own socket and its own application, in the main thread.
 *
 *   node:http ──▶ current application (app.ts) ──▶ pages
 *                  └─ swapped as a whole on reload; a new address is opened before the old one is let go
 *
 * Strangers and malware come here, by the thousand and with anything: connections, headers, bodies and times are bounded, and
 * nothing that goes wrong here touches DNS.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type Endpoint, endpointText } from '../address/address.ts';
import { listenError, type SekishoError } from '../errors/errors.ts';
import { boundConnections } from '../transports/http-connections.ts';
import { createPagesApp } from './app.ts';
import type { PagesDeps } from './deps.ts';
import { isProxy } from './forwarded.ts';

/** Longest that a request may take to arrive: its header, and all of it. */
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
/** Longest that a connection may stand still while no page is being made for it. */
const IDLE_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
const MAX_CONNECTIONS = 2_000;
/** Of one address; that of a listed proxy excepted. */
const MAX_CONNECTIONS_PER_ADDRESS = 32;
const MAX_REQUESTS_PER_CONNECTION = 200;
/** Browsers bring the cookies that the blocked name set before. */
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
/** How long `close` waits for requests under way. */
const DRAIN_MS = 1_000;

/** What stands ready and is not in force yet. */
export interface PreparedPages {
  /** In force from now on; what was before is let go. */
  commit(): void;
  /** Not in force after all: leave everything as it was. */
  discard(): void;
}

export class NoticeServer {
  /** By the address as configured. */
  #servers: ReadonlyMap<string, Server> = new Map();
  #app: FastifyInstance | undefined;
  #deps: PagesDeps | undefined;

  /** Where it can be reached. */
  get endpoints(): Endpoint[] {
    return [...this.#servers.values()].flatMap((server) => {
      const bound = server.address() as AddressInfo | null;
      return bound ? [{ address: bound.address, port: bound.port }] : [];
    });
  }

  /**
   * Make everything of another configuration ready. Rejects with SekishoError where an address of it is not available, unless
   * nobody asked for that address: then `skipped` is told why, and no page is shown there.
   */
  async prepare(deps: PagesDeps, skipped: (why: SekishoError) => void): Promise<PreparedPages> {
    const app = await createPagesApp(deps);
    await app.ready();
    const { listen, listenIsDefault } = deps.config;
    const servers = new Map<string, Server>();
    const discard = () => {
      for (const [key, server] of servers) if (this.#servers.get(key) !== server) server.close();
      void app.close();
    };
    for (const endpoint of listen) {
      const key = endpointText(endpoint);
      try {
        servers.set(key, this.#servers.get(key) ?? (await this.#open(endpoint)));
      } catch (error) {
        if (!listenIsDefault) {
          discard();
          throw error;
        }
        skipped(error as SekishoError);
      }
    }
    return {
      commit: () => {
        const [oldServers, oldApp] = [this.#servers, this.#app];
        this.#servers = servers;
        this.#app = app;
        this.#deps = deps;
        deps.counters.listening(servers.size > 0);
        for (const [key, server] of oldServers) if (servers.get(key) !== server) void letGo(server);
        void oldApp?.close();
      },
      discard,
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(letGo));
    await this.#app?.close();
  }

  async #open({ address, port }: Endpoint): Promise<Server> {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: REQUEST_MS,
        headersTimeout: HEADERS_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => {
        // Before the first configuration is in force, and after the last.
        if (this.#app) this.#app.routing(request, response);
        else response.writeHead(503).end();
      },
    );
    boundConnections(server, {
      most: MAX_CONNECTIONS,
      mostPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
      idleMs: IDLE_MS,
      unbounded: (address) => isProxy(address, this.#deps?.config.proxies ?? []),
      closed: () => this.#deps?.counters.refused('connections'),
    });
    server.maxHeadersCount = MAX_HEADERS;
    server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
    server.on('clientError', (_error, socket) => {
      this.#deps?.counters.refused('bad-request');
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else socket.destroy();
    });
    await listening(server, address, port);
    // Such as a lack of file descriptors at accept; without a listener it would end the process.
    server.on('error', () => this.#deps?.counters.refused('connections'));
    return server;
  }
}

async function letGo(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(force);
}

function listening(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(listenError(`${endpointText({ address, port })} (notice.listen)`, error));
    server.once('error', failed);
    server.listen({ host: address, port, ipv6Only: address.includes(':') }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
