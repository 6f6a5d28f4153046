/** Another way into the admin listener than a bearer token, with the pages that belong to it. */
import type { FastifyRequest } from 'fastify';
import type { Identity, Role } from '../audit/roles.ts';
import type { AdminApi } from '../errors/api-schema.ts';

export interface Entrance {
  /**
   * Who asks, where the request carries no bearer token; undefined: nobody that is known. Called ahead of every route that needs a
   * role. Throws SekishoError to refuse the request.
   */
  identify(request: FastifyRequest, holders: TokenHolders): Identity | undefined;
  /** Its routes. They may be open (`config: { open: true }`) at `/` and below `/console`, and say like all others what they leave in the audit log. */
  routes(app: AdminApi, lent: AdminLends): void;
}

/** Tokens of the configuration in force. */
export interface TokenHolders {
  /** Whose token has this SHA-256, hexadecimal; undefined where it is nobody's, or not any more. */
  holder(digest: string): Identity | undefined;
}

/** What the admin API lends to an entrance. */
export interface AdminLends {
  readonly tokens: TokenHolders;
  /** What `GET /v1/status` says. */
  readonly status: () => object | Promise<object>;
  /** `METHOD /path`, as registered → roles that may use it; none for open ones. */
  readonly operations: () => ReadonlyMap<string, readonly Role[]>;
}
