/**
 * One Fastify application with all routes of the admin API. Every route says which roles it admits and what it leaves in the
 * audit log (route-audit.ts); one that does not is refused when it is registered, so that forgetting it cannot open anything.
 */
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { endpointText } from '../address/address.ts';
import { asItWent } from '../audit/as-it-went.ts';
import { actorOf, changeBy, PURPOSE, readOf } from '../audit/personal-read.ts';
import { type Identity, ROLES, type Role, STAFF } from '../audit/roles.ts';
import { holdToAudit } from '../audit/route-audit.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, declareInJsonSchema, errorSchema, FAILURES } from '../errors/api-schema.ts';
import { errorBody } from '../errors/error-body.ts';
import { errorText, generalError, SekishoError } from '../errors/errors.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import { type AbsentPlugin, absentPlugins, notConfigured } from '../loading/absent-plugins.ts';
import { METRICS_CONTENT_TYPE } from '../metrics/prometheus.ts';
import { typeName } from '../wire/constants.ts';
import { cacheRoutes } from './cache.ts';
import { compilersWhenUsed } from './compilers.ts';
import type { AdminDeps } from './deps.ts';
import { described } from './describe.ts';
import { adminError } from './errors.ts';
import { parseExplainQuestion, parseListener } from './explain-question.ts';
import { reloadWent } from './reload-went.ts';
import { explainSchema, healthSchema, readySchema, reloadSchema, statusSchema } from './status.ts';
import type { Tokens } from './tokens.ts';

/** Largest body of a request; plugins may raise it for a route of their own. */
const MAX_BODY_BYTES = 64 * 1024;
/** A parameter that is unknown is an error, not silently dropped: a misspelt one must not be taken for absent. */
const AJV_OPTIONS = { removeAdditional: false, coerceTypes: true };

/** The application, not listening. `app.ready()` and `app.inject()` work on it. */
export async function createApp(deps: AdminDeps, tokens: Tokens): Promise<AdminApi> {
  const app: AdminApi = fastify({
    // Fastify would log every URL, and a URL may hold a query's name. What is worth a line is logged below.
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    ajv: { customOptions: AJV_OPTIONS },
  });
  app.decorateRequest('identity', null);
  // First of all: what others see of a route, and Fastify checks by, is JSON Schema.
  app.addHook('onRoute', declareInJsonSchema);

  const operations = new Map<string, readonly Role[]>();
  app.addHook('onRoute', ({ config, url, method }) => {
    const { roles, open } = config ?? {};
    for (const each of [method].flat()) operations.set(`${each} ${url}`, roles ?? []);
    if (open !== true && !roles?.length) throw new TypeError(`admin route ${url} names no role that may use it`);
    const unknown = roles?.find((role) => !ROLES.includes(role));
    if (unknown !== undefined)
      throw new TypeError(`admin route ${url} names the role '${unknown}', which does not exist`);
  });
  const whenUsed = compilersWhenUsed(AJV_OPTIONS);
  const outside = deps.config.plugins.flatMap(({ name, module }) => (module === undefined ? [] : [`/v1/${name}/`]));
  app.addHook('onRoute', (route) => {
    if (!outside.some((path) => route.url.startsWith(path))) Object.assign(route, whenUsed);
  });
  holdToAudit(app);
  // An answer is data: a browser that is shown one loads, runs and frames nothing. The operator decides about TLS, not this.
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    frameguard: { action: 'deny' },
    strictTransportSecurity: false,
  });
  app.addHook('onRequest', async (request, reply) => {
    const { open, roles = [] } = request.routeOptions.config;
    reply.header('cache-control', 'no-store');
    if (open === true || request.is404) return;
    const { authorization } = request.headers;
    const identity = authorization === undefined ? enteredBy(deps, request, tokens) : tokens.identify(authorization);
    if (!identity) {
      reply.header('www-authenticate', 'Bearer realm="sekisho"');
      return sendError(reply, adminError('SEKISHO_TOKEN_MISSING', 'a valid bearer token is required'));
    }
    if (!identity.roles.some((role) => roles.includes(role))) {
      const message = `this request needs one of the roles ${roles.join(', ')}; '${identity.name}' has ${identity.roles.join(', ')}`;
      return sendError(reply, adminError('SEKISHO_ROLE_MISSING', message));
    }
    request.identity = identity;
  });
  app.setErrorHandler((error: FastifyError, request, reply) => failed(deps, error, request, reply));
  const absent = absentPlugins(deps.config);
  app.setNotFoundHandler((request, reply) => sendError(reply, notFound(request.url, absent)));

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sekisho admin API',
        version: deps.version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
        description:
          'Everything that the command line does. Each operation says who may use it and what it leaves in the audit log.',
      },
      servers: [
        {
          url: `http://${endpointText(deps.config.admin.listen)}`,
          description: 'This server, as `admin.listen` has it.',
        },
      ],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    // Whoever reads the description, or compares it with a table, sees who may do it and what it leaves behind.
    transform: ({ schema, url, route }) => {
      const { open = false, roles = [], audit, noAudit } = route.config ?? {};
      return { schema: described(schema as never, { method: route.method, url, open, roles, audit, noAudit }), url };
    },
  });
  // A scope of its own, so that the routes are registered after swagger has begun to listen for them.
  await app.register(async (scope) => openRoutes(scope, deps));
  await app.register(async (scope) => tokenRoutes(scope, deps));
  await app.register(async (scope) => cacheRoutes(scope, deps.cache));
  for (const register of deps.featureRoutes)
    await app.register(async (scope) => withoutOpen(scope, register, 'feature'));
  const lent = { tokens, status: deps.status, operations: () => operations };
  for (const entrance of deps.entrances)
    await app.register(async (scope) => openBelowConsole(scope, () => entrance.routes(scope, lent)));
  for (const { plugin, register } of deps.pluginRoutes) {
    await app.register(async (scope) => withoutOpen(scope, register, 'plugin'), { prefix: `/v1/${plugin}` });
  }
  return app;
}

/** Only the server's own routes need no token. */
function withoutOpen(scope: AdminApi, register: (app: AdminApi) => void, whose: string): void {
  scope.addHook('onRoute', ({ config, url }) => {
    if (config?.open === true)
      throw new TypeError(`admin route ${url} of a ${whose} must name roles, it cannot be open`);
  });
  register(scope);
}

/** An entrance's pages have to be seen before anybody is known; nothing else of it. */
function openBelowConsole(scope: AdminApi, register: () => void): void {
  scope.addHook('onRoute', ({ config, url }) => {
    if (config?.open === true && url !== '/' && !/^\/console(\/|$)/.test(url))
      throw new TypeError(`admin route ${url} of an entrance must name roles: open ones are below /console`);
  });
  register();
}

/** Who asks without a bearer token. */
function enteredBy({ entrances }: AdminDeps, request: FastifyRequest, tokens: Tokens): Identity | undefined {
  for (const entrance of entrances) {
    const identity = entrance.identify(request, tokens);
    if (identity) return identity;
  }
  return undefined;
}

/** For monitoring: no token, and nothing in the answer that would need one. */
function openRoutes(app: AdminApi, deps: AdminDeps): void {
  const config = { open: true, noAudit: 'numbers and states of the server: no name, no address, no subscriber' };
  const security: [] = [];
  app.get(
    '/healthz',
    { config, schema: { summary: 'The process lives', security, response: { 200: healthSchema } } },
    async () => ({ status: 'ok' }) as const,
  );
  const ready = readySchema;
  app.get(
    '/readyz',
    { config, schema: { summary: 'Queries are being answered', security, response: { 200: ready, 503: ready } } },
    async (_request, reply) => {
      const isReady = deps.ready();
      return reply.code(isReady ? 200 : 503).send({ ready: isReady });
    },
  );
  app.get(
    '/metrics',
    { config, schema: { summary: 'Counters in the text format of Prometheus', security, produces: ['text/plain'] } },
    async (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(deps.metricsText()),
  );
}

function tokenRoutes(app: AdminApi, deps: AdminDeps): void {
  app.get(
    '/openapi.json',
    {
      config: { roles: ROLES, noAudit: 'the description of this API' },
      schema: {
        summary: 'This description',
        response: { 200: z.looseObject({}).describe('OpenAPI 3.1') },
      },
    },
    async () => app.swagger(),
  );

  app.get(
    '/v1/status',
    {
      config: { roles: STAFF, noAudit: 'the state of the server: no name, no address of a client, no subscriber' },
      schema: {
        summary: 'State of the server',
        response: { 200: statusSchema.extend(deps.statusSchemas), ...FAILURES },
      },
    },
    async () => deps.status(),
  );

  app.get(
    '/v1/explain',
    {
      config: {
        roles: ['operator', 'security', 'privacy'],
        audit: {
          of: 'read',
          actions: ['subscriber.explain'],
          unless: 'the configuration knows no subscribers, and so nothing here is about one',
        },
      },
      schema: {
        summary:
          'What would happen to a query, and why; nothing is sent or counted. Where subscribers are known, the look at one is audited',
        querystring: z.strictObject({
          name: z.string().min(1).max(1100).describe('Name that is asked for.'),
          type: z.string().max(16).default('A').describe('Record type, e.g. AAAA or TYPE65.'),
          client: z.string().min(1).max(64).describe('IP address of the client that would ask.'),
          listener: z
            .string()
            .min(1)
            .max(64)
            .optional()
            .describe('Address of `server.listen` that would be asked; the first one unless given.'),
          reason: PURPOSE,
        }),
        response: { 200: explainSchema, ...FAILURES },
      },
    },
    async ({ query, identity }) => {
      const listener = parseListener(query.listener, deps.config.server.listen);
      const question = { ...parseExplainQuestion(query.name, query.type, query.client), listener };
      // It says whose the address is and what that subscriber consents to. Without subscribers it says neither.
      if (deps.config.subscribers)
        await recordTogether(
          deps.audit,
          readOf(identity, 'subscriber.explain', query.reason, {
            client: question.client,
            name: question.name,
            type: typeName(question.type),
          }),
        );
      return deps.explain(question);
    },
  );

  const reload = reloadSchema;
  const error = errorSchema;
  const reloadFailures = { 400: error, 401: error, 403: error, 503: error };
  for (const path of ['/v1/reload', '/reload']) {
    app.post(
      path,
      {
        config: {
          roles: ['operator'],
          audit: { of: 'change', actions: ['configuration.reload'] },
        },
        schema: {
          summary:
            'Read the configuration again; a bad one is refused and the old one runs on. What changed is audited',
          body: z.strictObject({ reason: z.string().max(500).optional().describe('Why; recorded.') }).nullable(),
          response: { 200: reload, 422: reload, ...reloadFailures },
        },
      },
      async ({ identity, body }, reply) => {
        const asked = changeBy(
          identity,
          'configuration.reload',
          body?.reason,
          'to put the configuration file in force',
          {
            over: 'admin API',
          },
        );
        const result = await asItWent(deps.audit, asked, () => deps.reload(actorOf(identity)), reloadWent);
        deps.log.info(
          { by: identity?.name, ok: result.ok, problems: result.problems.length },
          'reload requested over the admin API',
        );
        return reply.code(result.ok ? 200 : 422).send(result);
      },
    );
  }
}

/** A path without a route. Where its plugin is not configured, the answer says which lines bring it. */
function notFound(url: string, absent: readonly AbsentPlugin[]): SekishoError {
  const first = /^\/v1\/([a-z0-9-]+)/.exec(url)?.[1];
  const plugin = absent.find(({ name }) => name === first);
  if (plugin) return notConfigured(plugin);
  return adminError(
    'SEKISHO_NOT_FOUND',
    'the admin API of this server has no such path; those of a plugin from outside are there where it is configured below plugins',
  );
}

/** A handler threw, or Fastify refused the request. */
function failed(deps: AdminDeps, error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  if (error instanceof SekishoError) return sendError(reply, error);
  const status = error.statusCode ?? 500;
  if (status < 500) return sendError(reply, generalError('SEKISHO_REQUEST_INVALID', errorText(error)), status);
  // The route's pattern, not the URL, and the places, not the message: both may hold a name or an address.
  const route = request.routeOptions.url;
  deps.log.error({ route, fault: faultOf(error) }, 'admin request failed');
  deps.log.debug({ route, message: faultText(error) }, 'admin request failed: message');
  return sendError(reply, generalError('SEKISHO_INTERNAL', 'the request failed; see the log of the server'));
}

/** `status`: what Fastify says where it refused the request by itself, such as 413 or 415. */
function sendError(reply: FastifyReply, error: SekishoError, status = error.status) {
  // Past the response schema: an error has one shape on every route, also on those that declare none.
  return reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send(errorBody(error));
}
