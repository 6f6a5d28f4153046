/**
 * Routes of the admin API are held to what they declare (audit/route-declaration.ts): an answer that should have left an entry
 * in the audit log and did not never leaves.
 */
import type { FastifyInstance } from 'fastify';
import { refuseUndeclared } from '../audit/route-declaration.ts';
import { noteAuditedInto } from '../audit/scope.ts';
import { errorBody } from '../errors/error-body.ts';
import { generalError } from '../errors/errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Actions that were recorded for this request so far. */
    audited: Set<string> | null;
  }
}

/** Before any route is registered. */
export function holdToAudit(app: FastifyInstance): void {
  refuseUndeclared(app, 'admin');
  app.decorateRequest('audited', null);
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
    reply.code(500).type('application/json; charset=utf-8');
    return JSON.stringify(errorBody(generalError('SEKISHO_INTERNAL', message)));
  });
}
