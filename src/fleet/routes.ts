/** `/v1/fleet`: how the nodes stand, and the two things that a person decides: to join or set right, and to forget a node. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { actorOf } from '../audit/personal-read.ts';
import { STAFF } from '../audit/roles.ts';
import { statedReason } from '../audit/stated-reason.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { fleetError } from './errors.ts';
import type { FleetState } from './fleet-state.ts';
import { type FleetStatusView, fleetSchema, fleetView } from './view.ts';

export const initSchema = z.strictObject({
  dryRun: z.boolean(),
  done: z.array(z.string()).describe('What was done, or would be; empty where nothing is to be done.'),
  problem: z.string().nullable().describe('Why this node still inspects nobody.'),
});
export type InitView = z.infer<typeof initSchema>;

export interface FleetRoutesDeps {
  readonly fleet: FleetState | undefined;
  readonly audit: Auditor;
}

export function fleetRoutes(app: AdminApi, { fleet, audit }: FleetRoutesDeps): void {
  const needed = (): FleetState => {
    if (fleet) return fleet;
    throw fleetError('SEKISHO_FLEET_ABSENT', 'this server stands alone: its configuration has no section fleet');
  };
  app.get(
    '/v1/fleet',
    {
      config: { roles: STAFF, noAudit: 'how the nodes stand: no name, no address, no subscriber' },
      schema: { summary: 'The nodes of the fleet', response: { 200: fleetSchema, ...FAILURES } },
    },
    async (): Promise<FleetStatusView> => fleetView(needed()),
  );

  app.post(
    '/v1/fleet/init',
    {
      config: {
        roles: ['operator', 'privacy'],
        audit: {
          of: 'change',
          actions: ['fleet.init'],
          unless: 'a dry run changes nothing and tells only how much there is to do',
        },
      },
      schema: {
        summary: 'Make or bring forward the schema, join, and make the ledger of this node and that of the fleet agree',
        body: statedReason.extend({
          dryRun: z.boolean().default(false).describe('Change nothing, tell what would be done.'),
        }),
        response: { 200: initSchema, ...FAILURES },
      },
    },
    async ({ body: { reason, dryRun }, identity }): Promise<InitView> => {
      const state = needed();
      if (!dryRun)
        await recordTogether(audit, {
          ...actorOf(identity),
          action: 'fleet.init',
          purpose: reason,
          detail: { node: state.config.node },
        });
      const { done, problem } = await state.init(dryRun);
      return { dryRun, done: [...done], problem: problem ?? null };
    },
  );

  app.post(
    '/v1/fleet/nodes/:node/forget',
    {
      config: { roles: ['operator', 'privacy'], audit: { of: 'change', actions: ['fleet.forget'] } },
      schema: {
        summary: 'Forget a node that will not come back: nobody waits for it, and what it objected to is dropped',
        params: z.strictObject({ node: z.string().regex(/^[a-z0-9-]{1,32}$/) }),
        body: statedReason,
        response: { 200: fleetSchema, ...FAILURES },
      },
    },
    async ({ params: { node }, body: { reason }, identity }): Promise<FleetStatusView> => {
      const state = needed();
      const { nodes } = await state.membership.refresh();
      const row = nodes.find(({ name }) => name === node);
      if (!row) throw fleetError('SEKISHO_FLEET_NODE_UNKNOWN', `the fleet has no node '${node}'`);
      if (!state.membership.hasRunOut(row)) throw lives(node);
      await recordTogether(audit, { ...actorOf(identity), action: 'fleet.forget', purpose: reason, detail: { node } });
      if (!(await state.registry.forget(node, row))) throw lives(node);
      await state.membership.refresh();
      return fleetView(state);
    },
  );
}

function lives(node: string) {
  return fleetError(
    'SEKISHO_FLEET_NODE_LIVES',
    `node ${node} still reports, or did moments ago: stop it, wait a few seconds, and say it again`,
  );
}
