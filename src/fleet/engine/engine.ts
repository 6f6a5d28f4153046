/**
 * The fleet's PostgreSQL, as the stores see it: statements, transactions and notifications; every failure is a SekishoError
 * with a code of errors.ts and without a secret.
 *
 *   stores ──query, transaction──▶ pool (a few connections) ──▶ PostgreSQL
 *          ◀──heard, connected──── one connection that listens ◀── NOTIFY
 *
 * Nothing here keeps what it is asked while PostgreSQL is gone: a statement fails at once or in time, and its owner decides what that means.
 * Tables lie in the schema `sekisho` and statements name it (`sekisho.rules`).
 */
import pg from 'pg';
import type { SekishoError } from '../../errors/errors.ts';
import { engineError } from './errors.ts';
import { commitFailure, engineFailure, isConflict } from './failures.ts';
import { EngineListener } from './listener.ts';
import type { EngineLog, EngineWatch, Heard, Session, TransactionOptions } from './session.ts';
import { connectionConfig, type EngineSettings, POOL_SIZE, sessionStatement } from './settings.ts';

const ATTEMPTS = 5;

export class Engine implements Session {
  readonly #pool: pg.Pool;
  readonly #listener: EngineListener;
  readonly #longestMs: number;
  #closing: Promise<void> | undefined;

  /** Connects when it is first used, or with `start`. Throws SEKISHO_ENGINE_URL, SEKISHO_ENGINE_TLS for files that cannot be read. */
  constructor(settings: EngineSettings, log: EngineLog, random: () => number = Math.random) {
    const config = connectionConfig(settings);
    const session = sessionStatement(settings);
    this.#longestMs = (config.query_timeout ?? 0) + (config.connectionTimeoutMillis ?? 0);
    const onConnect = async (client: pg.ClientBase) => {
      await client.query(session);
    };
    this.#pool = new pg.Pool({
      ...config,
      max: settings.pool ?? POOL_SIZE,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
      onConnect,
    });
    // A connection that breaks while idle is thrown away by the pool; whoever needs one opens another.
    this.#pool.on('error', () => {});
    this.#listener = new EngineListener(config, session, this, log, random);
  }

  /** Begin to listen: connect, and connect again for as long as the engine is open. Never rejects; `watch` tells. */
  start(): void {
    this.#listener.start();
  }

  /** Whether notifications arrive at present. */
  get connected(): boolean {
    return this.#listener.connected;
  }

  /** Why they do not; undefined while they do, and before the first attempt has ended. */
  get failure(): SekishoError | undefined {
    return this.#listener.failure;
  }

  /** Returns what ends it. */
  watch(watch: EngineWatch): () => void {
    return this.#listener.watch(watch);
  }

  /**
   * Hear what is sent on `channel` (a name of lower-case letters, digits and `_`; NOTIFY at the end of a transaction). `heard.connected`
   * comes after each connection, once notifications arrive: what was committed before may have been missed and is to be read now.
   * Returns what ends it. Payloads are other nodes' words: check them.
   */
  listen(channel: string, heard: Heard): () => void {
    return this.#listener.listen(channel, heard);
  }

  /** One statement, a transaction of its own. Rejects as errors.ts says. */
  async query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#borrow((client) => statement<Row>(client, text, values, commitFailure));
  }

  /**
   * All of `work` or nothing. It may run several times: where other transactions came first it is begun again. Resolves once
   * PostgreSQL has it on the disk (and on its synchronous standby, where there is one). SEKISHO_ENGINE_UNSURE and
   * SEKISHO_ENGINE_UNREPLICATED say that it may have happened all the same.
   */
  async transaction<T>(work: (session: Session) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const attempts = options.attempts ?? ATTEMPTS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#borrow((client) => inTransaction(client, work, options.isolation ?? 'read committed'));
      } catch (error) {
        if (!isConflict(error) || attempt >= attempts) throw error;
      }
    }
  }

  /** What is under way ends first. A second time does nothing; afterwards everything rejects. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#listener.close(), this.#endPool()]).then(() => {});
    return this.#closing;
  }

  /** A server that says nothing keeps nobody from ending. */
  async #endPool(): Promise<void> {
    const late = new Promise<void>((resolve) => {
      setTimeout(resolve, this.#longestMs).unref();
    });
    await Promise.race([this.#pool.end().catch(() => {}), late]);
  }

  async #borrow<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (this.#closing)
      throw engineError('SEKISHO_ENGINE_UNREACHABLE', 'the connection to PostgreSQL is closed: the server is stopping');
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw engineFailure(error);
    }
    // While lent, its failures come with the statement; without a listener they would end the process.
    const ignore = () => {};
    client.on('error', ignore);
    let usable = false;
    try {
      const result = await work(client);
      usable = true;
      return result;
    } catch (error) {
      const failure = engineFailure(error);
      usable = REUSABLE.has(failure) || isConflict(failure);
      throw failure;
    } finally {
      client.off('error', ignore);
      client.release(!usable);
    }
  }
}

/** Failures after which the connection is known to be at rest: all of PostgreSQL's own words inside a statement or after ROLLBACK. */
const REUSABLE = new WeakSet<object>();

async function statement<Row extends object>(
  client: pg.ClientBase,
  text: string,
  values: readonly unknown[] | undefined,
  failed: (error: unknown) => SekishoError,
): Promise<Row[]> {
  let unreplicated = false;
  const notice = (message: { routine?: string | undefined }) => {
    // PostgreSQL gives up waiting for its standby with a warning, and reports a success.
    if (message.routine === 'SyncRepWaitForLSN') unreplicated = true;
  };
  client.on('notice', notice);
  try {
    const { rows } = await client.query<Row>(text, values as unknown[] | undefined);
    if (unreplicated) throw withoutStandby();
    return rows;
  } catch (error) {
    const failure = failed(error);
    if ((error as { severity?: string }).severity === 'ERROR' || unreplicated) REUSABLE.add(failure);
    throw failure;
  } finally {
    client.off('notice', notice);
  }
}

async function inTransaction<T>(
  client: pg.PoolClient,
  work: (session: Session) => Promise<T>,
  isolation: string,
): Promise<T> {
  const session: Session = {
    query: <Row extends object>(text: string, values?: readonly unknown[]) =>
      statement<Row>(client, text, values, engineFailure),
  };
  await session.query(`BEGIN ISOLATION LEVEL ${isolation}`);
  let result: T;
  try {
    result = await work(session);
  } catch (error) {
    // What failed is thrown, whether or not the rollback works; a connection that cannot roll back is thrown away.
    await session.query('ROLLBACK').then(
      () => (typeof error === 'object' && error !== null ? REUSABLE.add(error) : undefined),
      () => {},
    );
    throw error;
  }
  await statement(client, 'COMMIT', undefined, commitFailure);
  return result;
}

function withoutStandby(): SekishoError {
  return engineError(
    'SEKISHO_ENGINE_UNREPLICATED',
    'the synchronous standby of PostgreSQL did not confirm the change in time',
  );
}
