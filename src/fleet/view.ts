/** The fleet as people see it: this node, and the others as it last saw them. */
import { z } from 'zod';
import type { FleetState } from './fleet-state.ts';

const ms = z.number().min(0);

export const fleetSchema = z.strictObject({
  node: z.string().describe('Name of the node that was asked.'),
  fenced: z.boolean().describe('Its fence has run out: it answers DNS and inspects nobody.'),
  fenceLeftMs: ms.describe('How long it may still inspect without hearing from PostgreSQL.'),
  fenceMs: ms.describe('As configured.'),
  joined: z.boolean().describe('This process speaks for the node.'),
  connected: z.boolean().describe('Notifications from PostgreSQL arrive.'),
  problem: z
    .strictObject({ code: z.string(), message: z.string(), remedy: z.string() })
    .nullable()
    .describe('Why the fence is not renewed.'),
  schema: z
    .strictObject({ version: z.int(), known: z.int() })
    .nullable()
    .describe('Version of the schema in the database, and the one that this program knows; null before it was seen.'),
  engineAheadMs: z.number().nullable().describe("How far PostgreSQL's clock is ahead of this system's."),
  seenAgoMs: ms.nullable().describe('How long ago the nodes below were seen; null: not yet.'),
  nodes: z.array(
    z.strictObject({
      name: z.string(),
      state: z
        .enum(['inspecting', 'silent', 'resting'])
        .describe(
          'inspecting: it reports, and renews its fence unless it says otherwise itself; silent: its fence has run out; resting: it stopped in good order, or has no subscribers.',
        ),
      applied: z.int().describe('Entries of the consent ledger that act on it.'),
      head: z.string().describe('Hash of the last of them, which anchors its ledger here.'),
      lag: z.int().describe('Entries that it lacks.'),
      fenceMs: ms,
      seenAgoMs: z.number().describe("Since its last word, by PostgreSQL's clock."),
      objects: z.boolean().describe('It remembers entries that the database lacks.'),
      drifts: z
        .boolean()
        .describe('Its configuration differs from that of the node that was asked, in what subscribers meet.'),
      version: z.string().nullable(),
      configuration: z.string().nullable(),
      facts: z.record(z.string(), z.string()).describe('What the node says of itself besides.'),
    }),
  ),
});
export type FleetStatusView = z.infer<typeof fleetSchema>;

export function fleetView({ membership, config, fence, schema, engine }: FleetState): FleetStatusView {
  const { problem, view: seen } = membership;
  const leftMs = Math.max(0, Math.round(membership.fenceLeftMs));
  const nodes = seen?.view.nodes ?? [];
  const most = Math.max(0, ...nodes.map(({ applied }) => applied));
  const own = nodes.find(({ name }) => name === config.node)?.facts['configuration'];
  return {
    node: config.node,
    fenced: membership.isFenced,
    fenceLeftMs: Number.isFinite(fence.untilMs) ? leftMs : 0,
    fenceMs: config.fenceMs,
    joined: membership.isJoined,
    connected: engine.connected,
    problem: problem ? { code: problem.code, message: problem.message, remedy: problem.remedy } : null,
    schema: schema ? { version: schema.version, known: schema.known } : null,
    engineAheadMs: membership.engineAheadMs === undefined ? null : Math.round(membership.engineAheadMs),
    seenAgoMs: seen ? Math.max(0, Math.round(seen.agoMs)) : null,
    nodes: nodes.map((row) => {
      const { version, configuration, host: _host, pid: _pid, ...facts } = row.facts;
      return {
        name: row.name,
        state: row.resting ? 'resting' : membership.hasRunOut(row) ? 'silent' : 'inspecting',
        applied: row.applied,
        head: row.head,
        lag: row.resting ? 0 : most - row.applied,
        fenceMs: row.fenceMs,
        seenAgoMs: Math.round((seen?.view.engineMs ?? 0) - row.seenMs),
        objects: seen?.view.objections.some(({ node }) => node === row.name) ?? false,
        drifts: own !== undefined && configuration !== undefined && configuration !== own,
        version: textOf(version),
        configuration: textOf(configuration),
        facts: Object.fromEntries(
          Object.entries(facts).map(([key, value]) => [key, textOf(JSON.stringify(value)) ?? '']),
        ),
      } as const;
    }),
  };
}

/** Other nodes' words are shown, never trusted. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value.replace(/[^\x20-\x7e]/g, '?').slice(0, 200) : null;
}
