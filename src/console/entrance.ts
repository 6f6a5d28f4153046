/**
 * The console's way into the admin listener: its page and files, login and logout, and who asks by the cookie of a session.
 *
 *   GET  /console/            the page and its files; what they may load is this listener's own, and nothing inline
 *   GET  /console/session     who is logged in in this browser, and which views that makes
 *   POST /console/session     login with a token      DELETE /console/session     logout
 *   GET  /v1/live             live figures, as a stream or once
 *
 * A change that comes with a cookie carries the session's own secret in a header, and is not taken from another site's page: a
 * browser sends cookies by itself, but never that.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { actorOf } from '../audit/personal-read.ts';
import { type Identity, ROLES, STAFF } from '../audit/roles.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import type { AdminLends, Entrance, TokenHolders } from '../feature/entrance.ts';
import { consoleError } from './errors.ts';
import type { FailedLogins } from './failed-logins.ts';
import type { LiveFigures } from './live-figures.ts';
import { sessionCookie, sessionIdOf } from './session-cookie.ts';
import { carriesCsrf, type Session, type Sessions } from './sessions.ts';
import { type ConsoleFile, PAGE } from './static-files.ts';
import { OPERATIONS, viewsOf } from './views.ts';

export interface EntranceParts {
  readonly sessions: Sessions;
  readonly failures: FailedLogins;
  readonly live: LiveFigures;
  readonly audit: Auditor;
  readonly log: Logger;
  readonly version: string;
  readonly files: ReadonlyMap<string, ConsoleFile>;
}

/** Nothing that is not this listener's own, nothing inline, no frame; scripts write no HTML. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');
const MAX_TOKEN_CHARACTERS = 512;
/** The page asks by itself, without anybody doing anything. */
export const BY_ITSELF_HEADER = 'x-sekisho-by-itself';
export const CSRF_HEADER = 'x-sekisho-csrf';

const sessionSchema = z.strictObject({
  name: z.string().describe('Name of the token.'),
  roles: z.array(z.enum(ROLES)),
  views: z.array(z.string()).describe('Views of the console that these roles have on this server.'),
  may: z
    .array(z.string())
    .describe('Operations of this API that these roles may use, of those that the console knows.'),
  csrf: z.string().describe('To be sent with every change, in the header `x-sekisho-csrf`.'),
  secondsLeft: z.number().describe('Until it ends, if nobody does anything.'),
});
const answerSchema = z.strictObject({
  version: z.string(),
  session: sessionSchema.nullable().describe('null: nobody is logged in in this browser.'),
});
const figuresSchema = z.looseObject({ at: z.string(), seconds: z.number() });

export function consoleEntrance(parts: EntranceParts): Entrance {
  const { sessions } = parts;
  const found = (request: FastifyRequest, used: boolean) => sessions.find(sessionIdOf(request), used);
  return {
    identify(request, holders) {
      const session = found(request, request.headers[BY_ITSELF_HEADER] === undefined);
      const identity = session && holders.holder(session.token);
      if (!session || !identity) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD') refuseForeign(request, session);
      return identity;
    },
    routes(app, lent) {
      parts.live.takeStatus(lent.status);
      pageRoutes(app, parts.files);
      sessionRoutes(app, parts, lent, found);
      liveRoute(app, parts, found);
    },
  };
}

/** Throws SekishoError SEKISHO_CSRF_REFUSED. */
function refuseForeign(request: FastifyRequest, session: Session): void {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin')
    throw consoleError('SEKISHO_CSRF_REFUSED', 'the request comes from the page of another site');
  if (!carriesCsrf(session, request.headers[CSRF_HEADER]))
    throw consoleError('SEKISHO_CSRF_REFUSED', `the request does not carry the session's own secret (${CSRF_HEADER})`);
}

function pageRoutes(app: AdminApi, files: ReadonlyMap<string, ConsoleFile>): void {
  const config = { open: true, noAudit: 'the files of the console, the same for everybody' };
  const produces = ['text/html'];
  app.get(
    '/',
    { config, schema: { summary: 'Leads to the console', security: [], response: { 302: { type: 'null' } } } },
    async (_request, reply) => reply.redirect('/console/', 302),
  );
  app.get(
    '/console',
    { config, schema: { summary: 'The console: its page', security: [], produces } },
    async (request, reply) => send(request, reply, files, PAGE),
  );
  app.get(
    '/console/:file',
    {
      config,
      schema: {
        summary: 'The console: one of its files',
        security: [],
        params: z.object({ file: z.string().max(100) }),
      },
    },
    async (request, reply) => send(request, reply, files, request.params.file),
  );
}

function send(request: FastifyRequest, reply: FastifyReply, files: ReadonlyMap<string, ConsoleFile>, name: string) {
  const file = files.get(name);
  if (!file) {
    const why = files.size === 0 ? 'this program was compiled without its console' : 'the console has no such file';
    throw consoleError('SEKISHO_CONSOLE_ABSENT', why);
  }
  const page = name === PAGE;
  reply
    .type(file.type)
    .header('etag', file.etag)
    .header('vary', 'accept-encoding')
    // A file's name changes with what is in it.
    .header('cache-control', page ? 'no-cache' : 'private, max-age=31536000, immutable');
  if (page) reply.header('content-security-policy', PAGE_POLICY);
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  const takesGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  if (takesGzip) reply.header('content-encoding', 'gzip');
  return reply.send(takesGzip ? file.gzip : file.plain);
}

type Find = (request: FastifyRequest, used: boolean) => Session | undefined;

function sessionRoutes(app: AdminApi, parts: EntranceParts, lent: AdminLends, found: Find): void {
  const { sessions, version } = parts;
  const response = { 200: answerSchema, ...FAILURES };
  const security: [] = [];
  const may = ({ roles }: Identity) => {
    const operations = lent.operations();
    return OPERATIONS.filter((operation) => operations.get(operation)?.some((role) => roles.includes(role)));
  };
  const answer = (session: Session | undefined, identity: Identity | undefined): z.infer<typeof answerSchema> => {
    if (!session || !identity) return { version, session: null };
    const { name, roles } = identity;
    const operations = may(identity);
    const secondsLeft = Math.round(sessions.leftMs(session) / 1000);
    return {
      version,
      session: {
        name,
        roles: [...roles],
        views: viewsOf(operations),
        may: operations,
        csrf: session.csrf,
        secondsLeft,
      },
    };
  };

  app.get(
    '/console/session',
    {
      config: { open: true, noAudit: 'who is logged in in this very browser: nothing of anybody else' },
      schema: { summary: 'The console session of this browser', security, response },
    },
    async (request) => {
      const session = found(request, false);
      return answer(session, session && lent.tokens.holder(session.token));
    },
  );

  app.post(
    '/console/session',
    {
      config: { open: true, audit: { of: 'change', actions: ['console.login'] } },
      schema: {
        summary: 'Log in to the console with a token; the session is in a cookie. Audited',
        security,
        body: z.strictObject({ token: z.string().min(1).max(MAX_TOKEN_CHARACTERS) }),
        response,
      },
    },
    async (request, reply) => {
      refuseOtherSite(request);
      const identity = await admitted(request, request.body.token, parts, lent.tokens);
      if (viewsOf(may(identity)).length === 0)
        throw consoleError(
          'SEKISHO_LOGIN_NO_VIEW',
          `'${identity.name}' has ${identity.roles.join(', ')}: no view of the console`,
        );
      const former = sessionIdOf(request);
      await recordTogether(parts.audit, {
        ...actorOf(identity),
        action: 'console.login',
        purpose: 'to use the console',
      });
      if (former !== undefined) sessions.end(former);
      const { id, session } = sessions.begin(digestOf(request.body.token), identity);
      reply.header('set-cookie', sessionCookie(request, id));
      return answer(session, identity);
    },
  );

  app.delete(
    '/console/session',
    {
      config: {
        open: true,
        audit: { of: 'change', actions: ['console.logout'], unless: 'nobody is logged in in this browser' },
      },
      schema: { summary: 'Log out: the session ends here, whoever kept its cookie. Audited', security, response },
    },
    async (request, reply) => {
      const session = found(request, true);
      const identity = session && lent.tokens.holder(session.token);
      if (session) {
        refuseForeign(request, session);
        sessions.end(sessionIdOf(request) ?? '');
        if (identity)
          await recordTogether(parts.audit, { ...actorOf(identity), action: 'console.logout', purpose: 'done' });
      }
      reply.header('set-cookie', sessionCookie(request, undefined));
      return answer(undefined, undefined);
    },
  );
}

/** Whose token it is. Throws SekishoError SEKISHO_LOGIN_LIMITED, SEKISHO_LOGIN_REFUSED. */
async function admitted(
  request: FastifyRequest,
  token: string,
  { failures, audit, log }: EntranceParts,
  tokens: TokenHolders,
): Promise<Identity> {
  const seconds = failures.waitSeconds(request.ip);
  if (seconds > 0)
    throw consoleError(
      'SEKISHO_LOGIN_LIMITED',
      `too many logins failed from this address: wait for ${seconds} seconds`,
    );
  const identity = tokens.holder(digestOf(token));
  if (identity) {
    failures.succeeded(request.ip);
    return identity;
  }
  log.warn('console: a login was refused: the token is not valid');
  if (failures.failed(request.ip))
    await recordTogether(audit, {
      who: 'unknown',
      role: '',
      action: 'console.login.refused',
      purpose: 'somebody logged in to the console with a token that is not valid',
    });
  throw consoleError('SEKISHO_LOGIN_REFUSED', 'the token is not valid');
}

function liveRoute(app: AdminApi, { live, sessions }: EntranceParts, found: Find): void {
  app.get(
    '/v1/live',
    {
      config: {
        roles: STAFF,
        noAudit: 'numbers and states of the server: no name, no address of a client, no subscriber',
      },
      schema: {
        summary: 'Figures of this moment; with `Accept: text/event-stream` as server-sent events, every two seconds',
        response: { 200: figuresSchema, ...FAILURES },
      },
    },
    async (request, reply) => {
      if (!/\btext\/event-stream\b/.test(request.headers.accept ?? '')) return live.once();
      live.refuseWhereFull();
      const session = request.headers.authorization === undefined ? found(request, false) : undefined;
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // For proxies that gather what they pass on.
        'x-accel-buffering': 'no',
      });
      const id = sessionIdOf(request);
      live.join(raw, { alive: () => session === undefined || sessions.find(id, false) !== undefined });
      return reply;
    },
  );
}

/** Throws SekishoError SEKISHO_CSRF_REFUSED where a browser says that another site's page sends it. */
function refuseOtherSite(request: FastifyRequest): void {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw consoleError('SEKISHO_CSRF_REFUSED', 'the request comes from the page of another site');
}

function digestOf(token: string): string {
  return createHash('sha256').update(token.trim()).digest('hex');
}
