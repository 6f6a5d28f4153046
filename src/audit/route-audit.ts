/**
 * What each route of the admin API leaves in the audit log (R14). A route declares it when it is registered, with `audit`, or
 * says with `noAudit` why it leaves nothing; one that does neither is refused, so that forgetting it stops the start and
 * not the trace. And what is declared is held to: an answer that should have left an entry and did not never leaves.
 */
import type { FastifyInstance } from 'fastify';
import type { ErrorBody } from '../errors/api-schema.ts';
import { noteAuditedInto } from './scope.ts';

export interface RouteAudit {
  /** `change` of what is enforced or kept; `read` of personal data, which names a purpose. */
  readonly of: 'change' | 'read';
  /** Actions of the entries; at least one is written before an answer of success leaves. */
  readonly actions: readonly string[];
  /** When there may be an answer without an entry, and why that is right. */
  readonly unless?: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    audit?: RouteAudit;
    /** Why the route leaves nothing in the audit log, as a sentence. */
    noAudit?: string;
  }
  interface FastifyRequest {
    /** Actions that were recorded for this request so far. */
    audited: Set<string> | null;
  }
}

/** A sentence, not a shrug. */
const LEAST_WORDS = 12;

/** Before any route is registered. */
export function holdToAudit(app: FastifyInstance): void {
  app.decorateRequest('audited', null);
  app.addHook('onRoute', ({ config, url, method }) => {
    const { audit, noAudit } = config ?? {};
    const route = `admin route ${String(method)} ${url}`;
    if ((audit === undefined) === (noAudit === undefined))
      throw new TypeError(`${route} must say what it leaves in the audit log: audit, or noAudit with the reason`);
    if (audit !== undefined && audit.actions.length === 0) throw new TypeError(`${route} names no action in audit`);
    for (const why of [noAudit, audit?.unless])
      if (why !== undefined && why.trim().length < LEAST_WORDS)
        throw new TypeError(`${route} must say in a sentence why it leaves no entry`);
  });
  // After the body was read: what Fastify begins for that has lost track of the request.
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.routeOptions.config.audit === undefined) {
      done();
      return;
    }
    request.audited = new Set();
    noteAuditedInto(request.audited, done);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const { audit } = request.routeOptions.config;
    if (audit === undefined || audit.unless !== undefined || reply.statusCode >= 400) return payload;
    if (audit.actions.some((action) => request.audited?.has(action))) return payload;
    const message = 'this left no entry in the audit log, and so its answer is withheld: please report it';
    const body: ErrorBody = { error: { code: 'SEKISHO_INTERNAL', message } };
    reply.code(500).type('application/json; charset=utf-8');
    return JSON.stringify(body);
  });
}
