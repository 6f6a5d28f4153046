/**
 * The connection that hears notifications. It says each time that it has connected, because what was sent meanwhile is lost, and it is
 * never believed before a notification came back through it: a pooler in transaction mode takes LISTEN and swallows what follows.
 *
 *   connect ─▶ LISTEN … ─▶ NOTIFY over another connection ─▶ it comes back ─▶ connected ─▶ a sign of life every 2 s
 *      ▲                                                            │ not in time                     │ none
 *      └────────────────────── wait (0.1 s … 5 s, growing) ◀── lost ◀┴────────────────────────────────┘
 */
import pg from 'pg';
import type { SekishoError } from '../../errors/errors.ts';
import { engineError } from './errors.ts';
import { engineFailure } from './failures.ts';
import type { EngineLog, EngineWatch, Heard, Session } from './session.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
const ECHO_MS = 3_000;
const END_MS = 1_000;
const SIGN_OF_LIFE_MS = 2_000;
const CHANNEL = /^[a-z][a-z0-9_]{0,50}$/;

export class EngineListener {
  readonly #config: pg.ClientConfig;
  readonly #sessionStatement: string;
  readonly #others: Session;
  readonly #log: EngineLog;
  readonly #random: () => number;
  readonly #heard = new Map<string, Set<Heard>>();
  readonly #watches = new Set<EngineWatch>();
  /** Channels that the present connection listens to. */
  readonly #subscribed = new Set<string>();
  /** Its own channel: nobody else's echo. */
  readonly #echo: string;
  #client: pg.Client | undefined;
  #connected = false;
  #failure: SekishoError | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  #wake: () => void = () => {};

  /** `others`: other connections to the same database. `random` gives 0 ≤ r < 1. */
  constructor(
    config: pg.ClientConfig,
    sessionStatement: string,
    others: Session,
    log: EngineLog,
    random: () => number,
  ) {
    this.#config = config;
    this.#sessionStatement = sessionStatement;
    this.#others = others;
    this.#log = log;
    this.#random = random;
    this.#echo = `sekisho_echo_${Math.floor(random() * 2 ** 40)
      .toString(36)
      .padStart(8, '0')}`;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get failure(): SekishoError | undefined {
    return this.#failure;
  }

  start(): void {
    if (!this.#closed) this.#running ??= this.#run();
  }

  watch(watch: EngineWatch): () => void {
    this.#watches.add(watch);
    if (this.#connected) watch.connected?.();
    else if (this.#failure) watch.lost?.(this.#failure);
    return () => this.#watches.delete(watch);
  }

  listen(channel: string, heard: Heard): () => void {
    if (!CHANNEL.test(channel)) throw new TypeError(`'${channel}' is no name of a channel`);
    const listeners = this.#heard.get(channel) ?? new Set();
    listeners.add(heard);
    this.#heard.set(channel, listeners);
    if (this.#connected) void this.#subscribe(channel, heard);
    return () => listeners.delete(heard);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    if (this.#client) endSoon(this.#client);
    await this.#running;
  }

  async #subscribe(channel: string, heard: Heard): Promise<void> {
    const client = this.#client;
    // A failure here ends the connection, and the next one listens to all.
    try {
      await client?.query(`LISTEN ${channel}`);
      this.#subscribed.add(channel);
      if (this.#connected && client === this.#client) heard.connected?.();
    } catch {
      if (client) endSoon(client);
    }
  }

  async #run(): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!this.#closed) {
      try {
        await this.#listenOnce(() => {
          waitMs = FIRST_WAIT_MS;
        });
      } catch (error) {
        if (this.#closed) break;
        this.#lost(engineFailure(error));
      }
      // Not all nodes at the same moment.
      await this.#pause(waitMs * (0.5 + this.#random() / 2));
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  /** Connect, listen, and stay until the connection ends: rejects with why. */
  async #listenOnce(onConnected: () => void): Promise<void> {
    const client = new pg.Client(this.#config);
    let failure: unknown;
    const echo = new Echo();
    const end = (error: unknown) => {
      failure ??= error;
      echo.reject(failure);
      this.#wake();
    };
    client.on('error', end);
    client.on('end', () => end(new Error('Connection terminated')));
    this.#client = client;
    this.#subscribed.clear();
    try {
      await this.#open(client, echo);
      onConnected();
      this.#found();
      while (!this.#closed) {
        await this.#pause(SIGN_OF_LIFE_MS);
        if (failure !== undefined) throw failure;
        if (!this.#closed) await client.query('SELECT 1');
      }
    } finally {
      this.#connected = false;
      this.#client = undefined;
      endSoon(client);
    }
  }

  async #open(client: pg.Client, echo: Echo): Promise<void> {
    // Ended while it connects, pg says nothing more (its 'end' alone comes).
    await Promise.race([client.connect(), echo.came]);
    await client.query(this.#sessionStatement);
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === this.#echo) echo.resolve();
      // Before it is believed, what comes is read with the first `connected`.
      else if (this.#connected) for (const each of this.#heard.get(channel) ?? []) each.heard(payload);
    });
    for (const channel of this.#heard.keys()) this.#subscribed.add(channel);
    await client.query([this.#echo, ...this.#subscribed].map((channel) => `LISTEN ${channel}`).join('; '));
    const [row] = (await client.query('SELECT pg_backend_pid() AS pid')).rows as { pid: number }[];
    await this.#others.query('SELECT pg_notify($1, $2)', [this.#echo, '']);
    const timer = setTimeout(() => echo.reject(withoutEcho(client, row?.pid)), ECHO_MS);
    await echo.came.finally(() => clearTimeout(timer));
  }

  #found(): void {
    this.#connected = true;
    this.#failure = undefined;
    this.#log.info({}, "connected to the fleet's PostgreSQL");
    for (const watch of this.#watches) watch.connected?.();
    for (const [channel, listeners] of this.#heard)
      for (const each of listeners) {
        if (this.#subscribed.has(channel)) each.connected?.();
        else void this.#subscribe(channel, each);
      }
  }

  #lost(failure: SekishoError): void {
    // The same again and again is said once.
    if (this.#failure?.code !== failure.code)
      this.#log.warn(
        { code: failure.code, reason: failure.message },
        "THE FLEET'S PostgreSQL IS OUT OF REACH, trying again; DNS goes on",
      );
    this.#failure = failure;
    for (const watch of this.#watches) watch.lost?.(failure);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve();
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** In good order, or, where the other side says nothing, without it. */
function endSoon(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  const timer = setTimeout(() => stream.destroy(), END_MS).unref();
  client
    .end()
    .catch(() => {})
    .finally(() => clearTimeout(timer));
}

/** What is awaited before a connection is believed. */
class Echo {
  resolve: () => void = () => {};
  reject: (error: unknown) => void = () => {};
  readonly came = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
  constructor() {
    // It may fail before anybody waits for it.
    this.came.catch(() => {});
  }
}

/** A pooler gives its clients a process id of its own; PostgreSQL says the true one. */
function withoutEcho(client: pg.Client, pid: number | undefined): SekishoError {
  const told = (client as unknown as { processID?: number }).processID;
  return told === pid
    ? engineError('SEKISHO_ENGINE_TIMEOUT', 'PostgreSQL accepted LISTEN, and no notification came back in time')
    : engineError(
        'SEKISHO_ENGINE_POOLER',
        'no notification came back: a pooler in transaction mode stands before PostgreSQL',
      );
}
