/**
 * One Fastify application for the notice page and the opt-out portal of one configuration.
 *
 *   Host header ─┬─ the portal's own names, or the bare address ─▶ portal (portal-routes.ts)
 *                └─ any other name ─▶ notice page; any method, any path; nothing of the subscriber on it
 *
 * The origin of a blocked name is not ours: a script that its real owner put there, in a tab that was opened before, may read
 * whatever is answered under that name. So such a page says nothing of the subscriber, holds no form, and leads to the portal.
 */
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { refuseUndeclared } from '../audit/route-declaration.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { PagesDeps } from './deps.ts';
import { portalRoutes } from './portal-routes.ts';
import { type Visitor, visitorOf } from './recognition.ts';
import { Pages } from './respond.ts';

/** A form of the portal with a signed link in it; everything else is shorter. */
const MAX_BODY_BYTES = 16 * 1024;
/** RFC 9110 §7.2, RFC 1035 §2.3.4: a name, perhaps a port. */
const HOST = /^([a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_-])?\.?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/** The application, not listening. `app.ready()` and `app.inject()` work on it. */
export async function createPagesApp(deps: PagesDeps): Promise<FastifyInstance> {
  const { config, counters } = deps;
  const pages = new Pages(deps);
  const app = fastify({
    // No line of a log says who came, and for which name.
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
  });
  refuseUndeclared(app, 'portal');
  // A form is all that is read: what a script of another site could send otherwise is refused before it is looked at.
  app.removeAllContentTypeParsers();
  await app.register(formbody, { bodyLimit: MAX_BODY_BYTES });
  await app.register(cookie);
  // What a page may do depends on the page: respond.ts sets its headers.
  await app.register(helmet, { global: false });

  const hosts = new Set(config.portal.hosts);
  app.addHook('onRequest', async (request, reply) => {
    // What is left of a body that nobody reads would be taken for the next request.
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
      reply.header('connection', 'close');
    const host = hostOf(request.headers.host);
    if (host === undefined) {
      counters.refused('bad-host');
      return pages.message(request, reply, 'badRequest', 400);
    }
    if (hosts.has(host)) return undefined;
    return notice(deps, pages, host, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    counters.request('message');
    return pages.message(request, reply, 'notFound', 404);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) {
      counters.refused('bad-request');
      return pages.message(request, reply, 'badRequest', status);
    }
    counters.refused('failed');
    deps.log.error({ fault: faultOf(error) }, 'failed to render a page');
    deps.log.debug?.({ message: faultText(error) }, 'failed to render a page: message');
    return pages.message(request, reply, 'failed', status);
  });
  portalRoutes(app, deps, pages, (request) => visitor(deps, request));
  return app;
}

/** The page for a name that led here. */
function notice(
  deps: PagesDeps,
  pages: Pages,
  host: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { names, counters, clock } = deps;
  const verdict = names.verdict(host, visitor(deps, request), clock.nowMs());
  if (verdict === 'not-listed' || verdict === 'not-inspected') {
    counters.request(verdict);
    const view = { name: host, notListed: verdict === 'not-listed', notInspected: verdict === 'not-inspected' };
    // RFC 9110 §15.5.20: this server does not answer for that name.
    return pages.send(request, reply, 'elsewhere', view, { status: 421 });
  }
  counters.page(verdict);
  const view = { name: host, c2: verdict === 'c2', malware: verdict === 'malware' };
  // RFC 9110 §15.5.4: refused, so that no program takes the page for what it asked for. Not 451 (RFC 7725): no law demands it.
  return pages.send(request, reply, 'blocked', view, { status: 403 });
}

/** Where a request comes from; undefined where it cannot be told. */
function visitor({ config }: PagesDeps, request: FastifyRequest): Visitor | undefined {
  const { remoteAddress: peerAddress, remotePort: peerPort } = request.socket;
  return visitorOf({ peerAddress, peerPort, headers: request.headers, proxies: config.proxies });
}

/** The name or the bracketed address of a Host header in lower case, without port and final dot. */
function hostOf(header: string | undefined): string | undefined {
  return HOST.exec(header ?? '')?.[1]
    ?.toLowerCase()
    .replace(/\.$/, '');
}
