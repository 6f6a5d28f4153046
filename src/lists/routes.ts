/**
 * `/v1/lists`: what the list desk shows and takes. The schemas are declared once, as in status.ts; everything that came from
 * a list's source has been made safe to show before it gets here (lists/formats/rejects.ts).
 */
import { z } from 'zod';
import { asItWent } from '../audit/as-it-went.ts';
import type { Auditor } from '../audit/entry.ts';
import { changeBy } from '../audit/personal-read.ts';
import type { Identity } from '../audit/roles.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { generalError } from '../errors/errors.ts';
import { type Approval, approverProblem } from '../grounds/approval.ts';
import { statementProblem } from '../grounds/statement.ts';
import { statisticsOf } from './compile.ts';
import type { ListDesk } from './desk.ts';
import type { DeskList } from './desk-list.ts';
import { listError } from './errors.ts';
import { advice } from './guard/advice.ts';
import { idleTriggersText } from './idle-triggers.ts';
import type { ListFacts } from './in-force.ts';
import { sourceText } from './section/lists-section.ts';
import type { StoredVersion } from './sources/last-good.ts';

const count = z.number().min(0);
const instant = z.string().describe('ISO 8601, UTC.');

const versionSchema = z.strictObject({
  sha256: z.string(),
  fetchedAt: instant,
  decidedAt: instant.describe('When it came into force, or was refused.'),
  bytes: count,
  names: count.describe('Rules, duplicates included.'),
  serial: z.number().optional().describe("The zone's SOA serial."),
  transfer: z.enum(['axfr', 'ixfr']).optional(),
  verdict: z.string().describe('`passed`, or why the guard refused it.'),
  override: z.strictObject({ approver: z.string(), reason: z.string(), at: instant }).optional(),
  notes: z.array(z.string()).optional(),
});

export const listSchema = z.strictObject({
  name: z.string(),
  category: z.string(),
  tier: z.string(),
  format: z.string(),
  source: z.string().describe('File or address, without credentials.'),
  dryRun: z.boolean(),
  override: z.string(),
  ground: z.string().nullable().describe('Kind of the ground stated with it; null where consent is the ground.'),
  state: z.enum(['in force', 'none in force']),
  current: versionSchema.nullable(),
  previous: versionSchema.nullable().describe('Where a rollback leads to.'),
  heldBack: versionSchema.nullable().describe('What the guard refused last.'),
  findings: z.array(z.string()).describe('Why it was refused.'),
  rejected: count.describe('Lines of the version in force that were left out.'),
  reasons: z.record(z.string(), count),
  different: count.describe('Different names, name servers and networks in the compiled index.'),
  duplicates: count.describe('Rules that duplicate another one.'),
  conflicts: count.describe('Rules left out, because the list had another action on the same name.'),
  rejectedLines: z
    .array(z.strictObject({ line: z.int(), column: z.int(), reason: z.string(), excerpt: z.string() }))
    .describe('The first of each reason.'),
  warnings: z.array(z.string()).describe('What of the version in force cannot act, and what to do about it.'),
  failure: z.string().nullable().describe('Why the last look for a new version failed.'),
  confirmedAt: instant.nullable().describe('When the source was last heard.'),
  expired: z.boolean().describe("The zone's expire time has passed since; the version in force still serves."),
  nextInSeconds: count.nullable(),
  hits: count.describe('Queries that the list decided, since the start.'),
  dryRunHits: count.describe('Queries that it would have decided.'),
});
export type ListStatus = z.infer<typeof listSchema>;

export const listsSchema = z.strictObject({ lists: z.array(listSchema) });
export type ListsStatus = z.infer<typeof listsSchema>;

const reloadSchema = z.strictObject({
  result: z.enum(['accepted', 'unchanged']),
  list: listSchema,
});
export type ListReload = z.infer<typeof reloadSchema>;

const heldSchema = z.strictObject({
  name: z.string(),
  findings: z.array(
    z.strictObject({
      reason: z.string(),
      message: z.string(),
      names: z.array(z.string()).describe('All that offend.'),
    }),
  ),
  reasons: z.record(z.string(), count).describe('Lines left out, by reason.'),
  samples: z
    .array(z.strictObject({ line: z.int(), column: z.int(), reason: z.string(), excerpt: z.string() }))
    .describe('The first lines left out, of each reason.'),
  advice: z.array(z.string()).describe('Settings and commands that would accept it.'),
});
export type HeldBack = z.infer<typeof heldSchema>;

export interface ListRoutesDeps {
  readonly desk: ListDesk;
  /** Queries that the list decided since the start, or would have decided in a dry run. */
  readonly hits: (list: ListFacts, dryRun: boolean) => number;
  /** Who lets what in, and why, is written down before it happens. */
  readonly audit: Auditor;
  /** Whether asker and approver may be one. */
  readonly approval: Approval;
}

const RESPONSIBLE = z.strictObject({
  approver: z.string().min(1).max(200).describe('Who takes the responsibility.'),
  reason: z.string().min(8).max(1000).describe('Why, in a sentence.'),
});
const NAME = z.strictObject({ name: z.string().max(100) });

export function listRoutes(app: AdminApi, deps: ListRoutesDeps): void {
  const { desk } = deps;

  app.get(
    '/v1/lists',
    {
      config: {
        roles: ['viewer', 'operator', 'security', 'privacy'],
        noAudit: 'what lists hold, where from, and how often they hit: nothing of whom',
      },
      schema: { summary: 'State of every list', response: { 200: listsSchema, ...FAILURES } },
    },
    async (): Promise<ListsStatus> => ({ lists: desk.lists.map((list) => statusOf(list, deps)) }),
  );

  app.post(
    '/v1/lists/:name/reload',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['list.reload'] } },
      schema: {
        summary: 'Ask the source of a list for a new version now',
        params: NAME,
        body: z.strictObject({
          again: z.boolean().optional().describe('Even what was brought before, or is older by its serial.'),
          reason: z.string().max(1000).optional().describe('Why; recorded.'),
        }),
        response: { 200: reloadSchema, ...FAILURES },
      },
    },
    async ({ params, body, identity }): Promise<ListReload> => {
      const list = desk.named(params.name);
      const again = body?.again === true;
      const purpose = 'to have the newest version of the list in force';
      const asked = changeBy(identity, 'list.reload', body?.reason, purpose, { ...versions(list, undefined), again });
      const result = await asItWent(
        deps.audit,
        asked,
        async () => {
          const fetched = await desk.reload(list, again);
          if (fetched.kind === 'failed') throw listError('SEKISHO_LIST_FAILED', `${params.name}: ${fetched.reason}`);
          if (list.refusal && fetched.kind === 'content') {
            const findings = list.refusal.findings.map(({ message }) => message).join(' ');
            throw listError('SEKISHO_LIST_REFUSED', `${params.name}: ${findings}`);
          }
          return fetched;
        },
        ({ kind }) => ({ detail: { result: kind === 'content' ? 'accepted' : 'unchanged', to: shaOf(list) } }),
      );
      return { result: result.kind === 'content' ? 'accepted' : 'unchanged', list: statusOf(list, deps) };
    },
  );

  app.get(
    '/v1/lists/:name/held',
    {
      config: {
        roles: ['operator', 'security'],
        noAudit: 'what a list holds and what the guard finds in it, not whom it hits',
      },
      schema: {
        summary: 'What helps to decide about the version that the guard holds back',
        params: NAME,
        response: { 200: heldSchema, ...FAILURES },
      },
    },
    async ({ params }): Promise<HeldBack> => {
      const { findings, parsed } = await desk.inspectRefused(desk.named(params.name));
      return {
        name: params.name,
        findings: findings.map(({ reason, message, names }) => ({ reason, message, names: [...names] })),
        reasons: { ...parsed.reasons },
        samples: parsed.rejectedLines.map((line) => ({ ...line })),
        advice: advice(params.name, findings),
      };
    },
  );

  app.post(
    '/v1/lists/:name/override',
    {
      config: { roles: ['security'], audit: { of: 'change', actions: ['list.override'] } },
      schema: {
        summary: 'Put the version into force that the guard holds back; who and why are recorded',
        params: NAME,
        body: RESPONSIBLE.extend({
          withoutOffenders: z.boolean().optional().describe('Without the rules that the guard finds fault with.'),
        }),
        response: { 200: listSchema, ...FAILURES },
      },
    },
    async ({ params, body, identity }) => {
      const list = desk.named(params.name);
      stated(body, identity);
      await asItWent(
        deps.audit,
        changeBy(identity, 'list.override', body.reason, '', {
          ...versions(list, list.store.refused),
          approver: body.approver,
          findings: list.refusal?.findings.map(({ message }) => message) ?? [],
        }),
        () => desk.acceptRefused(list, body),
        () => ({ detail: { to: shaOf(list) } }),
      );
      return statusOf(list, deps);
    },
  );

  app.post(
    '/v1/lists/:name/rollback',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['list.rollback'] } },
      schema: {
        summary: 'Take a list back to the version before; a second time undoes it',
        params: NAME,
        body: RESPONSIBLE,
        response: { 200: listSchema, ...FAILURES },
      },
    },
    async ({ params, body, identity }) => {
      const list = desk.named(params.name);
      stated(body, identity);
      await asItWent(
        deps.audit,
        changeBy(identity, 'list.rollback', body.reason, '', {
          ...versions(list, list.store.previous),
          approver: body.approver,
        }),
        () => desk.rollback(list, body),
        () => ({ detail: { to: shaOf(list) } }),
      );
      return statusOf(list, deps);
    },
  );

  /** Two persons, and a reason that says something. Throws SekishoError SEKISHO_REQUEST_INVALID. */
  function stated({ approver, reason }: { approver: string; reason: string }, identity: Identity | null): void {
    const onePerson = approverProblem(approver, identity?.name ?? '', deps.approval);
    if (onePerson !== undefined) throw generalError('SEKISHO_REQUEST_INVALID', onePerson);
    const idle = statementProblem(reason);
    if (idle !== undefined) throw generalError('SEKISHO_REQUEST_INVALID', `reason: ${idle}`);
  }
}

/** Which version is in force, and which is asked for; by the hash of its content. */
function versions(list: DeskList, to: StoredVersion | undefined) {
  return { list: list.config.name, from: shaOf(list), to: to?.provenance.sha256 ?? null };
}

function shaOf({ store }: DeskList): string | null {
  return store.current?.provenance.sha256 ?? null;
}

function statusOf(list: DeskList, { desk, hits }: ListRoutesDeps): ListStatus {
  const { config, store, inForce, schedule, refusal, failure } = list;
  const state = schedule?.state;
  const confirmedAtMs = state?.confirmedAtMs ?? store.confirmedAtMs;
  const { refused } = store;
  const statistics = inForce && desk.compiled ? statisticsOf(desk.compiled, list.index) : NO_STATISTICS;
  return {
    name: config.name,
    category: config.category,
    tier: config.tier,
    format: config.format,
    source: sourceText(config.source),
    dryRun: config.dryRun,
    override: config.override.action,
    ground: config.ground?.kind ?? null,
    state: inForce ? 'in force' : 'none in force',
    current: versionOf(store.current),
    previous: versionOf(store.previous),
    heldBack: versionOf(refused),
    findings: refusal?.findings.map(({ message }) => message) ?? (refused ? [refused.verdict] : []),
    rejected: inForce?.parsed.rejected ?? 0,
    reasons: { ...inForce?.parsed.reasons },
    different: statistics.names,
    duplicates: statistics.duplicates,
    conflicts: statistics.conflicts,
    rejectedLines: (inForce?.parsed.rejectedLines ?? []).map((line) => ({ ...line })),
    warnings: [inForce && idleTriggersText(config, inForce.scan.triggers)].filter((text) => text !== undefined),
    failure: failure ?? null,
    confirmedAt: confirmedAtMs === undefined ? null : iso(confirmedAtMs),
    expired: state?.expired ?? false,
    nextInSeconds: state?.nextInMs === undefined ? null : Math.round(state.nextInMs / 1000),
    hits: hits(config, false),
    dryRunHits: hits(config, true),
  };
}

const NO_STATISTICS = { names: 0, duplicates: 0, conflicts: 0 };

function versionOf(version: StoredVersion | undefined): z.infer<typeof versionSchema> | null {
  if (!version) return null;
  const { provenance, override, counts, verdict, decidedAtMs } = version;
  return {
    sha256: provenance.sha256,
    fetchedAt: iso(provenance.fetchedAtMs),
    decidedAt: iso(decidedAtMs),
    bytes: provenance.bytes,
    names: counts['names'] ?? 0,
    ...(provenance.serial !== undefined && { serial: provenance.serial }),
    ...(provenance.transfer !== undefined && { transfer: provenance.transfer }),
    verdict,
    ...(override && {
      override: { approver: override.approver, reason: override.reason, at: iso(override.atMs) },
    }),
    ...(provenance.notes && { notes: [...provenance.notes] }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
