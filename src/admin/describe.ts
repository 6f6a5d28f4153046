/**
 * How a route is described in OpenAPI: its name, its group, who may use it and what it leaves behind, and every error that it may answer,
 * also those that no route declares because the application answers them for all.
 */
import type { FastifySchema } from 'fastify';
import type { RouteAudit } from '../audit/route-declaration.ts';
import { errorSchema, responseSchema } from '../errors/api-schema.ts';

export interface DescribedRoute {
  readonly method: string | readonly string[];
  readonly url: string;
  readonly open: boolean;
  readonly roles: readonly string[];
  readonly audit: RouteAudit | undefined;
  readonly noAudit: string | undefined;
}

type Described = FastifySchema & Record<string, unknown>;

const failure = (description: string) => ({ description, ...responseSchema(errorSchema) });
/** Whatever is asked for. */
const FOR_ALL = {
  '4xx': failure('The request is refused: the code says why, and what to do.'),
  '5xx': failure('It could not be done; the code says why.'),
};
/** Pages, numbers and what plugins from outside do not describe. */
const UNDESCRIBED = { 200: { description: 'What was asked for.' } };
const WITH_TOKEN = {
  401: failure('No token, or one that is not known.'),
  403: failure('The token has none of the roles.'),
};

export function described(schema: Described | undefined, route: DescribedRoute): Described {
  const { open, roles, audit, noAudit } = route;
  const given = (schema?.response ?? {}) as Record<string, unknown>;
  return {
    ...schema,
    operationId: schema?.['operationId'] ?? operationIdOf(route),
    tags: schema?.['tags'] ?? [tagOf(route.url)],
    response: {
      ...(Object.keys(given).some((status) => /^[23]/.test(status)) ? {} : UNDESCRIBED),
      ...FOR_ALL,
      ...(open ? {} : WITH_TOKEN),
      ...given,
    },
    'x-roles': open ? ['anyone'] : roles,
    ...(audit === undefined ? { 'x-no-audit': noAudit } : { 'x-audit': audit }),
  };
}

/** `POST /v1/consent/import/{id}` → `postConsentImportById`. What is below no version says so. */
export function operationIdOf({ method, url }: Pick<DescribedRoute, 'method' | 'url'>): string {
  const verb = (typeof method === 'string' ? method : (method[0] ?? 'get')).toLowerCase();
  const isVersioned = url.startsWith('/v1/');
  const words = (isVersioned ? url.slice(3) : url)
    .split(/[^A-Za-z0-9:*]+/)
    .filter((word) => word !== '')
    .map((word) => (word.startsWith(':') ? `By${capital(word.slice(1))}` : capital(word.replaceAll(/[:*]/g, 'Any'))));
  return `${verb}${words.join('')}${isVersioned || words.length === 0 ? '' : 'Unversioned'}`;
}

function tagOf(url: string): string {
  const [first = 'server', second] = url.split(/[^A-Za-z0-9-]+/).filter((word) => word !== '');
  return first === 'v1' ? (second ?? 'server') : 'server';
}

function capital(word: string): string {
  return word === '' ? '' : word[0]!.toUpperCase() + word.slice(1);
}
