/** Trust as people see and except it, below /v1/dnssec. Exceptions are lifted and renewed as rules (`/v1/rules`). */
import { z } from 'zod';
import { STAFF } from '../audit/roles.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import type { RulesDesk } from '../rules/desk.ts';
import { groundProperties } from '../rules/ground-body.ts';
import { dnssecError } from './errors.ts';
import { CARRIER, readException } from './exceptions.ts';

const exceptionSchema = z.strictObject({
  id: z.string().describe('Number of the rule: `sekisho rules renew` and `lift` take it.'),
  zone: z.string(),
  ground: z.string(),
  approver: z.string(),
  endsAt: z.string(),
});

export const trustSchema = z.strictObject({
  validating: z.boolean(),
  anchors: z.array(z.string()).describe('Trust anchors in force: zone, type, key tag.'),
  keys: z
    .array(z.strictObject({ zone: z.string(), key: z.number(), state: z.string(), since: z.string() }))
    .describe('Keys of the anchors’ zones and how they are followed (RFC 5011).'),
  problems: z.array(z.string()).describe('What does not fit; empty where all is well.'),
  insecure: z.array(z.string()).describe('Zones that the configuration excepts.'),
  exceptions: z.array(exceptionSchema),
});
export type TrustView = z.infer<typeof trustSchema>;
export type ExceptionView = z.infer<typeof exceptionSchema>;

export interface TrustRoutesDeps {
  readonly desk: RulesDesk;
  readonly validating: boolean;
  state(): Omit<TrustView, 'exceptions' | 'validating'>;
  wallMs(): number;
}

export function trustRoutes(app: AdminApi, { desk, validating, state, wallMs }: TrustRoutesDeps): void {
  const text = (description: string) => z.string().max(4096).optional().describe(description);

  app.get(
    '/v1/dnssec',
    {
      config: { roles: STAFF, noAudit: 'trust anchors and exceptions: names of zones alone, no query, no address' },
      schema: { summary: 'What is trusted, and where validation ends', response: { 200: trustSchema } },
    },
    async (): Promise<TrustView> => ({
      validating,
      ...state(),
      exceptions: desk
        .list(({ plugin }) => plugin === CARRIER)
        .filter(({ entry }) => entry !== undefined)
        .map(({ rule }) => exceptionView(rule)),
    }),
  );

  app.post(
    '/v1/dnssec/exceptions',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['dnssec.except'] } },
      schema: {
        summary: 'Except a zone from validation for a while; answered when every worker holds it',
        body: z.strictObject({
          zone: text('The zone; it and all below.'),
          ground: z
            .strictObject({ kind: text('self-defence, necessity or legitimate-business.'), ...groundProperties })
            .optional(),
        }),
        response: { 200: exceptionSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<ExceptionView> => {
      if (!validating) throw dnssecError('SEKISHO_NOT_VALIDATING', 'nothing is validated: there is nothing to except');
      const by = { who: identity?.name ?? 'unknown', role: identity?.roles.join(' ') ?? '', action: 'dnssec.except' };
      const { entry } = await desk.add(readException(body, wallMs()), by);
      return exceptionView(entry.rule);
    },
  );
}

function exceptionView(rule: {
  readonly id: string;
  readonly match: { readonly domain?: string };
  readonly ground: { readonly kind: string; readonly approver: string };
  readonly endsAtMs: number | undefined;
}): ExceptionView {
  const { id, match, ground, endsAtMs } = rule;
  const endsAt = new Date(endsAtMs ?? 0).toISOString();
  return { id, zone: match.domain ?? '', ground: ground.kind, approver: ground.approver, endsAt };
}
