/** The desk of infected terminals of one configuration; cases and lease history live as long as the process. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { settingsError } from '../settings/errors.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import type { SubscriberState } from '../subscribers/state.ts';
import { AddressReader } from '../subscribers/table/address-table.ts';
import { UNKNOWN } from '../subscribers/table/prefix-table.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { CaseStore } from './cases/case-store.ts';
import { CASES_FILE, openSqliteCases } from './cases/sqlite-case-store.ts';
import { groundHolds, recordTerminalsDeletion, TerminalsDesk } from './desk.ts';
import { HISTORY_FILE } from './history/lease-file.ts';
import { LeaseHistory } from './history/lease-history.ts';
import type { RangeClaim } from './history/lease-span.ts';
import { openInlineHistory, openThreadHistory } from './history/sqlite-history-store.ts';
import { TerminalsMetrics } from './metrics.ts';
import { terminalRoutes } from './routes.ts';
import type { TerminalsConfig, TerminalsSections } from './terminals-config.ts';
import { Webhook } from './webhook.ts';

export const TERMINALS_FOLDER = 'terminals';
/** Changes of leases are written, and grounds looked at, this often. */
const FLUSH_MS = 1_000;
/** Reminders and deliveries. */
const TICK_MS = 2_000;
const DELETE_MS = 600_000;

export interface LentTerminals {
  /** Undefined where the configuration takes no reports. */
  readonly desk: TerminalsDesk | undefined;
}

interface KeptTerminals extends KeptPart {
  readonly cases: CaseStore;
  history: LeaseHistory | undefined;
  watchedSinceMs: number;
  /** Openings and ends of the history, one after the other. */
  turn: Promise<void>;
}

type Context = FeatureContext<TerminalsSections>;

export async function openTerminals(context: Context): Promise<Opened<LentTerminals>> {
  const { config, time, audit, log } = context;
  const { terminals } = config;
  const { state } = context.desk(SUBSCRIBERS);
  if (!terminals || !state) return withoutDesk(context);
  const kept = context.keep(await keptOf(context));
  const webhook = webhookOf(context, terminals);
  const desk: TerminalsDesk = new TerminalsDesk(
    terminals,
    {
      cases: kept.cases,
      time,
      audit,
      log,
      state,
      history: () => kept.history,
      watchedSinceMs: () => kept.watchedSinceMs,
      range: (words, family, port) => rangeClaim(context, words, family, port),
      lifetimeMs: () => config.subscribers?.leaseMs ?? 0,
    },
    webhook,
  );
  const metrics = new TerminalsMetrics(context.metrics, desk);
  const timers: NodeJS.Timeout[] = [];
  const every = (ms: number, work: () => Promise<void>) => timers.push(setInterval(() => void work(), ms).unref());
  const settle = () => settleHistory(context, kept, terminals, state);
  const found = (sightings: readonly { subscriber: string; list: string; count: number }[]) =>
    void desk.found(
      sightings.map(({ subscriber, list, count }) => ({
        subscriber,
        kind: `c2-suspected:${list}`,
        source: 'list-look-ups',
        count,
      })),
    );
  return {
    desk: { desk },
    async activate() {
      if (timers.length > 0) return;
      await settle();
      if (terminals.suspected) state.onSuspected = found;
      state.casesOf = (subscriber) => desk.list({ subscriber, closed: true });
      every(FLUSH_MS, settle);
      every(TICK_MS, async () => {
        await desk.tick();
        await metrics.refresh();
      });
      every(DELETE_MS, () => desk.deleteOld());
      await desk.deleteOld();
      await metrics.refresh();
    },
    deactivate() {
      for (const timer of timers.splice(0)) clearInterval(timer);
      if (state.onSuspected === found) state.onSuspected = undefined;
    },
    routes: (app) => terminalRoutes(app, { desk, audit, portalUrl: config.notice.portal.url }),
    status: () => ({ terminals: metrics.status() }),
    warnings: () => metrics.warnings(),
  };
}

/** No report is taken: nobody may know from a former configuration who held which address. */
function withoutDesk(context: Context): Opened<LentTerminals> {
  const { audit, server } = context;
  return {
    desk: { desk: undefined },
    async activate() {
      const kept = context.kept<KeptTerminals>();
      if (kept) await endHistory(context, kept, 'nothing in force keeps leases on a ground');
      else await forgetFile(join(server.dataFolder, TERMINALS_FOLDER, HISTORY_FILE), context);
    },
    routes: (app) => terminalRoutes(app, { desk: undefined, audit, portalUrl: '' }),
    status: () => ({ terminals: null }),
  };
}

async function keptOf({ server, time, log, kept }: Context): Promise<() => KeptTerminals> {
  if (kept<KeptTerminals>()) return () => kept<KeptTerminals>()!;
  const folder = join(server.dataFolder, TERMINALS_FOLDER);
  makeDataFolder(folder);
  const { store, movedAside } = await openSqliteCases(join(folder, CASES_FILE), time.wallMs());
  if (movedAside !== undefined)
    log.error(
      { movedAside },
      'the cases of infected terminals were damaged: the file was moved aside and a new one started',
    );
  return () => {
    const made: KeptTerminals = {
      cases: store,
      history: undefined,
      watchedSinceMs: Number.POSITIVE_INFINITY,
      turn: Promise.resolve(),
      close: async () => {
        await made.turn;
        await made.history?.close();
        await store.close();
      },
    };
    return made;
  };
}

/** The history is kept exactly while its ground holds; then what came is written. Never rejects. */
function settleHistory(
  context: Context,
  kept: KeptTerminals,
  config: TerminalsConfig,
  state: SubscriberState,
): Promise<void> {
  const { server, time, log } = context;
  kept.turn = kept.turn.then(async () => {
    if (!groundHolds(config, time))
      return dropHistory(context, kept, 'no ground for the lease history holds (any more)');
    if (kept.history) return kept.history.flush();
    try {
      const file = join(server.dataFolder, TERMINALS_FOLDER, HISTORY_FILE);
      const { store, movedAside } = await openThreadHistory(file, time.wallMs());
      if (movedAside !== undefined)
        log.error(
          { movedAside },
          'the lease history was damaged: the file was moved aside, and older reports cannot be matched',
        );
      const { directory } = state.register;
      const numberOf = (holder: number) => directory.numberOf(holder);
      const lifetimeMs = () => context.config.subscribers?.leaseMs ?? 0;
      kept.history = new LeaseHistory({ store, clock: time, numberOf, lifetimeMs, log });
      kept.watchedSinceMs = time.wallMs();
      state.leases.witness = kept.history;
    } catch (error) {
      log.error({ reason: errorText(error) }, 'the lease history cannot be opened: reports cannot be matched');
    }
  });
  return kept.turn;
}

function endHistory(context: Context, kept: KeptTerminals, why: string): Promise<void> {
  kept.turn = kept.turn.then(() => dropHistory(context, kept, why));
  return kept.turn;
}

async function dropHistory(context: Context, kept: KeptTerminals, why: string): Promise<void> {
  const { server, audit, log } = context;
  const { state } = context.desk(SUBSCRIBERS);
  if (state) state.leases.witness = undefined;
  const { history } = kept;
  if (history) {
    kept.history = undefined;
    await history.close().catch(() => {});
  }
  await forgetFile(join(server.dataFolder, TERMINALS_FOLDER, HISTORY_FILE), { audit, log }, why);
}

/** Every lease in the file is overwritten, and then the file is removed. */
async function forgetFile(
  file: string,
  { audit, log }: Pick<Context, 'audit' | 'log'>,
  why = 'nothing in force keeps leases on a ground',
): Promise<void> {
  if (!existsSync(file)) return;
  try {
    const { store } = await openInlineHistory(file, 0);
    const rows = await store.deleteBefore(Number.MAX_SAFE_INTEGER).finally(() => store.close());
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    recordTerminalsDeletion([{ dataset: 'terminals/lease-history', rows }], why, audit, log);
  } catch (error) {
    log.error({ reason: errorText(error) }, 'failed to delete the lease history, retrying');
  }
}

function webhookOf({ time, audit, log, config }: Context, { webhook }: TerminalsConfig): Webhook | undefined {
  if (!webhook) return undefined;
  const { url } = config.notice.portal;
  const checkUrl = (code: string) => `${url}${url.endsWith('/') ? '' : '/'}check?code=${code}`;
  try {
    return new Webhook({ config: webhook, clock: time, audit, log, checkUrl });
  } catch (error) {
    throw settingsError('SEKISHO_CONFIG_INVALID', `terminals.webhook.secret-file: ${errorText(error)}`);
  }
}

/** What the static ranges in force say of the address, and since when they say so. */
function rangeClaim(context: Context, words: Int32Array, family: 4 | 6, port: number): RangeClaim | undefined {
  const { desk } = context.desk(SUBSCRIBERS);
  const file = context.config.subscribers?.rangesFile;
  if (!desk?.ranges || file === undefined) return undefined;
  const reader = new AddressReader(desk.ranges.table.memory);
  const holder = reader.find(words, family, Math.max(0, port), desk.state.nowSeconds());
  if (holder === UNKNOWN) return undefined;
  const sharesPorts = port < 0 && reader.sharedByPorts(words, family);
  let sinceMs = Number.POSITIVE_INFINITY;
  try {
    sinceMs = statSync(file).mtimeMs;
  } catch {
    // Gone: what it said before may have become untrue.
  }
  return {
    subscriber: desk.state.register.directory.numberOf(holder) ?? '',
    bits: sharesPorts ? 144 : reader.length,
    sinceMs,
  };
}
