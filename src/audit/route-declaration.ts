/**
 * What each HTTP route leaves in the audit log. A route declares it when it is registered, with `audit`, or says with
 * `noAudit` why it leaves nothing; one that does neither is refused, so that forgetting it stops the start and not the
 * trace.
 */
import type { FastifyInstance } from 'fastify';
import type { Identity, Role } from './roles.ts';

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
    /** Roles that may use the route; a token with one of them is needed. */
    roles?: readonly Role[];
    /** The route needs no token. For the server's own routes alone. */
    open?: boolean;
    audit?: RouteAudit;
    /** Why the route leaves nothing in the audit log, as a sentence. */
    noAudit?: string;
  }
  interface FastifyRequest {
    /** Who asks; null on routes that need no token. */
    identity: Identity | null;
  }
}

/** A sentence, not a shrug. */
const LEAST_WORDS = 12;

/** Before any route is registered. `whose`: what they are called in the complaint. */
export function refuseUndeclared(app: FastifyInstance, whose: string): void {
  app.addHook('onRoute', ({ config, url, method }) => {
    const { audit, noAudit } = config ?? {};
    const route = `${whose} route ${String(method)} ${url}`;
    if ((audit === undefined) === (noAudit === undefined))
      throw new TypeError(`${route} must say what it leaves in the audit log: audit, or noAudit with the reason`);
    if (audit !== undefined && audit.actions.length === 0) throw new TypeError(`${route} names no action in audit`);
    for (const why of [noAudit, audit?.unless])
      if (why !== undefined && why.trim().length < LEAST_WORDS)
        throw new TypeError(`${route} must say in a sentence why it leaves no entry`);
  });
}
