/** The gate of a fleet: versions of lists and what was decided of them, in the PostgreSQL that its nodes share. */
import { errorText } from '../errors/errors.ts';
import type { Engine } from '../fleet/engine/engine.ts';
import type { Session } from '../fleet/engine/session.ts';
import type { Responsible } from './desk-list.ts';
import type { Decision, ListGate, OfferedVersion } from './list-gate.ts';

export interface GateOptions {
  readonly node: string;
  /** The node that has a new version first; undefined: whoever passes its guard first lets all in. */
  readonly canary: string | undefined;
  /** How long the canary has it alone. */
  readonly watchMs: number;
}

export const LISTS_CHANNEL = 'sekisho_lists';
/** Besides each notification: a canary's time runs out without a word. */
const LOOK_MS = 5_000;
/** So long nobody is asked who did not answer. */
const SILENT_MS = 3_000;

export class PostgresGate implements ListGate {
  readonly #engine: Engine;
  readonly #options: GateOptions;
  readonly #nowMs: () => number;
  /** Why nobody could be asked, and until when nobody is asked again: a start does not wait once for each list. */
  #silent: { readonly untilMs: number; readonly why: string } | undefined;

  /** `nowMs`: monotonic. */
  constructor(engine: Engine, options: GateOptions, nowMs: () => number) {
    this.#engine = engine;
    this.#options = options;
    this.#nowMs = nowMs;
  }

  async ask(version: OfferedVersion): Promise<string | undefined> {
    const { node, canary, watchMs } = this.#options;
    if (this.#silent && this.#nowMs() < this.#silent.untilMs) return this.#silent.why;
    try {
      this.#silent = undefined;
      return await this.#engine.transaction(async (session) => {
        await offer(session, version, node);
        const { state, who, why, overMs } = await decisionOf(session, version);
        if (state === 'released') return undefined;
        if (state === 'refused' || state === 'taken-back')
          return `node ${who} holds it back for the whole fleet: ${why}`;
        if (canary === undefined || overMs >= watchMs) {
          await decide(
            session,
            version,
            'released',
            node,
            canary === undefined ? 'the guard passed it' : 'the canary had it long enough',
          );
          return undefined;
        }
        if (node === canary) {
          if (state === 'offered') await decide(session, version, 'canary', node, 'the canary tries it');
          return undefined;
        }
        return state === 'canary'
          ? `it is tried by the canary, node ${canary}, for another ${Math.ceil((watchMs - overMs) / 1000)} s`
          : `it waits for the canary, node ${canary}`;
      });
    } catch (error) {
      const why = `the fleet cannot be asked about it: ${errorText(error)}`;
      this.#silent = { untilMs: this.#nowMs() + SILENT_MS, why };
      return why;
    }
  }

  async refused(version: OfferedVersion, findings: string): Promise<void> {
    const { node } = this.#options;
    await this.#engine
      .transaction(async (session) => {
        await offer(session, version, node);
        const { state } = await decisionOf(session, version);
        // Somebody has let it in although a guard refused it.
        if (state !== 'released' && state !== 'taken-back')
          await decide(session, version, 'refused', node, findings.slice(0, 1000));
      })
      .catch(() => {});
  }

  overridden(version: OfferedVersion, { approver, reason }: Responsible): Promise<void> {
    const { node } = this.#options;
    return this.#engine.transaction(async (session) => {
      await offer(session, version, node);
      await decide(session, version, 'released', node, `override by ${approver}: ${reason}`);
    });
  }

  takenBack(list: string, sha256: string, { approver, reason }: Responsible): Promise<void> {
    const { node } = this.#options;
    return this.#engine.transaction(async (session) => {
      await offer(session, { list, sha256, names: 0 }, node);
      await decide(session, { list, sha256 }, 'taken-back', node, `taken back by ${approver}: ${reason}`);
    });
  }

  async decided(list: string, sha256: string): Promise<Decision | undefined> {
    const [row] = await this.#engine.query<Decision>(
      'SELECT state, node AS who, why FROM sekisho.list_version WHERE list = $1 AND sha256 = $2',
      [list, sha256],
    );
    return row;
  }

  follow(look: () => void): () => void {
    const stop = this.#engine.listen(LISTS_CHANNEL, { heard: look, connected: look });
    const timer = setInterval(look, LOOK_MS).unref();
    return () => {
      stop();
      clearInterval(timer);
    };
  }
}

async function offer(session: Session, { list, sha256, names }: OfferedVersion, node: string): Promise<void> {
  await session.query(
    `INSERT INTO sekisho.list_version (list, sha256, names, state, node, why) VALUES ($1, $2, $3, 'offered', $4, '')
     ON CONFLICT DO NOTHING`,
    [list, sha256, names, node],
  );
}

/** `overMs`: since the canary began, by PostgreSQL's clock; -1 before. The row is this transaction's from now on. */
async function decisionOf(
  session: Session,
  { list, sha256 }: Pick<OfferedVersion, 'list' | 'sha256'>,
): Promise<Decision & { readonly overMs: number }> {
  const [row] = await session.query<Decision & { overMs: number }>(
    `SELECT state, node AS who, why, CASE state WHEN 'canary' THEN
       (extract(epoch FROM clock_timestamp() - at) * 1000)::DOUBLE PRECISION ELSE -1 END AS "overMs"
     FROM sekisho.list_version WHERE list = $1 AND sha256 = $2 FOR UPDATE`,
    [list, sha256],
  );
  return row ?? { state: 'offered', who: '', why: '', overMs: -1 };
}

async function decide(
  session: Session,
  { list, sha256 }: Pick<OfferedVersion, 'list' | 'sha256'>,
  state: Decision['state'],
  node: string,
  why: string,
): Promise<void> {
  await session.query(
    `UPDATE sekisho.list_version SET state = $3, node = $4, why = $5, at = clock_timestamp() WHERE list = $1 AND sha256 = $2`,
    [list, sha256, state, node, why],
  );
  await session.query('SELECT pg_notify($1, $2)', [LISTS_CHANNEL, list]);
}
