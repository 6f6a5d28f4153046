/** Every route of a running server, as its OpenAPI describes it, and a configuration in which every plugin has its routes. */
import type { Role } from '../../src/audit/roles.ts';
import type { RouteAudit } from '../../src/audit/route-declaration.ts';
import type { World } from './world.ts';

/** Plugins besides those that every world has. */
export const ALL_PLUGINS: Readonly<Record<string, unknown>> = {
  sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  'amp-shaper': {},
  'random-subdomain': {},
  'query-history': {},
  rpz: {},
  whoami: { name: 'whoami.example' },
};

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Operation {
  /** METHOD and path, as a table names it. */
  readonly operation: string;
  readonly method: Method;
  readonly path: string;
  /** The path with something in the place of its parameters. */
  readonly example: string;
  readonly roles: readonly (Role | 'anyone')[];
  readonly audit: RouteAudit | undefined;
  readonly noAudit: string | undefined;
}

interface Described {
  readonly 'x-roles'?: readonly Role[];
  readonly 'x-audit'?: RouteAudit;
  readonly 'x-no-audit'?: string;
}

/** Status and code of the error of one request, with a role's token; whatever kind of text the answer is. */
export async function asked(
  world: World,
  { method, example }: Operation,
  role: Role,
): Promise<{ status: number; code: string | undefined }> {
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const response = await fetch(`http://127.0.0.1:${world.server.adminPort}${example}`, {
    method,
    headers: { authorization: `Bearer token-of-${role}`, ...(hasBody && { 'content-type': 'application/json' }) },
    // No lease, no rule and no consent: what is refused for its role is refused before it is looked at.
    ...(hasBody && { body: JSON.stringify({ nothing: 'of the kind' }) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  const { error } = (isJson ? JSON.parse(text) : {}) as { error?: { code: string } };
  return { status: response.status, code: error?.code };
}

const EXAMPLES: Readonly<Record<string, string>> = {
  action: 'opt-out',
  code: '2345-6789-ABCD',
  file: 'index.html',
  id: 'x1',
  name: 'nothing',
  subscriber: 'nobody',
};

export async function operationsOf(world: World): Promise<Operation[]> {
  const { body } = await world.json<{ paths: Record<string, Record<string, Described>> }>('GET', '/openapi.json');
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      operation: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase() as Method,
      path,
      example: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => EXAMPLES[name] ?? 'x'),
      roles: described['x-roles'] ?? [],
      audit: described['x-audit'],
      noAudit: described['x-no-audit'],
    })),
  );
}
