/** The engine against a real PostgreSQL: what is asked, what is heard, and what each kind of failure is called. */
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../../test/support/certificates.ts';
import { requireProgram } from '../../../test/support/debian.ts';
import { freePort } from '../../../test/support/free-port.ts';
import { type Postgres, pgbouncerMissing, postgresMissing, startPostgres } from '../../../test/support/postgres.ts';
import { startProcess, temporaryFolder } from '../../../test/support/process.ts';
import { migrate, requireSchema, SCHEMA_VERSION, schemaState } from '../migrations/migrate.ts';
import { Engine } from './engine.ts';
import type { EngineLog } from './session.ts';
import type { EngineSettings } from './settings.ts';

const missing = postgresMissing();
const lines: string[] = [];
const log: EngineLog = {
  info: (fields, text) => void lines.push(JSON.stringify(fields) + text),
  warn: (fields, text) => void lines.push(JSON.stringify(fields) + text),
};

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe.skipIf(missing !== undefined)('the engine', () => {
  let postgres: Postgres;
  let certificate: ReturnType<typeof makeCertificate>;
  const engines: Engine[] = [];
  beforeAll(async () => {
    certificate = makeCertificate(temporaryFolder('certificates'), 'pg', { names: 'DNS:localhost' });
    postgres = await startPostgres({ tls: certificate });
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    const told = lines.splice(0).join('\n');
    expect(told).not.toContain(postgres.password);
    expect(told).not.toContain(encodeURIComponent(postgres.password));
  });
  afterAll(() => postgres?.stop());

  function open(settings: Partial<EngineSettings> = {}): Engine {
    const engine = new Engine({ urlFile: postgres.urlFile(), name: 'tokyo-1', ...settings }, log);
    engines.push(engine);
    return engine;
  }
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'no error',
      (error) => {
        expect(String(error)).not.toContain('p@ss');
        expect(error.cause).toBeUndefined();
        return error.code;
      },
    );

  it('asks, and does all of a transaction or nothing of it', async () => {
    const engine = open({ urlFile: postgres.urlFile(postgres.createDatabase()) });
    await engine.query('CREATE TABLE t (n BIGINT PRIMARY KEY, body JSONB, bytes BYTEA)');
    const body = JSON.stringify({ a: [1] });
    await engine.query('INSERT INTO t VALUES ($1, $2, $3)', [2 ** 45, body, Buffer.from([1, 0])]);
    expect(await engine.query('SELECT * FROM t')).toEqual([
      { n: 2 ** 45, body: { a: [1] }, bytes: Buffer.from([1, 0]) },
    ]);
    const broken = engine.transaction(async (session) => {
      await session.query('DELETE FROM t');
      throw new RangeError('no');
    });
    expect(await codeOf(broken)).toBe('SEKISHO_ENGINE_FAILED');
    expect(await engine.query('SELECT n FROM t')).toHaveLength(1);
    // A value that PostgreSQL repeats in its message is not repeated by us.
    const doubled = engine.query('INSERT INTO t VALUES ($1)', [2 ** 45]);
    await expect(doubled).rejects.toThrow(/^PostgreSQL refused a statement \(SQLSTATE 23505, \w+\)$/);
    await expect(engine.query("SELECT 'subscriber-4711'::integer")).rejects.not.toThrow(/4711/);
  });

  it('begins a transaction anew where another came first', async () => {
    const engine = open({ urlFile: postgres.urlFile(postgres.createDatabase()) });
    await engine.query('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)');
    let begun = 0;
    const add = () =>
      engine.transaction(
        async (session) => {
          begun++;
          const [row] = await session.query<{ n: number }>('SELECT n FROM t');
          await session.query('UPDATE t SET n = $1', [row!.n + 1]);
        },
        { isolation: 'serializable', attempts: 50 },
      );
    await Promise.all([add(), add(), add(), add()]);
    expect(await engine.query('SELECT n FROM t')).toEqual([{ n: 4 }]);
    expect(begun).toBeGreaterThanOrEqual(4);
    const never = engine.transaction(
      async (session) => {
        const [row] = await session.query<{ n: number }>('SELECT n FROM t');
        await engine.query('UPDATE t SET n = n + 1');
        await session.query('UPDATE t SET n = $1', [row!.n]);
      },
      { isolation: 'serializable', attempts: 2 },
    );
    expect(await codeOf(never)).toBe('SEKISHO_ENGINE_BUSY');
  });

  it('hears what is sent, and says at each connection that something may have been missed', async () => {
    const engine = open();
    const events: string[] = [];
    engine.watch({ connected: () => events.push('up'), lost: ({ code }) => events.push(code) });
    engine.listen('rules', { heard: (text) => events.push(text), connected: () => events.push('read') });
    engine.start();
    await until(() => events.includes('read'));
    engine.listen('later', { heard: (text) => events.push(text), connected: () => events.push('read later') });
    await until(() => events.includes('read later'));
    const other = open();
    await other.transaction((session) => session.query("SELECT pg_notify('rules', '1')"));
    await other.query("SELECT pg_notify('later', '2')");
    await until(() => events.includes('2'));
    expect(events).toEqual(['up', 'read', 'read later', '1', '2']);
    await postgres.kill();
    await until(() => events.includes('SEKISHO_ENGINE_UNREACHABLE'));
    expect(engine.connected).toBe(false);
    expect(engine.failure?.code).toBe('SEKISHO_ENGINE_UNREACHABLE');
    expect(await codeOf(other.query('SELECT 1'))).toBe('SEKISHO_ENGINE_UNREACHABLE');
    events.length = 0;
    await postgres.start();
    await until(() => events.includes('read later'));
    expect(events.filter((event) => !event.startsWith('SEKISHO'))).toEqual(['up', 'read', 'read later']);
    expect(engine.failure).toBeUndefined();
    await engine.query("SELECT pg_notify('rules', '3')");
    await until(() => events.includes('3'));
  });

  it('gives a silent server up in time, and finds it again', async () => {
    const engine = open({ statementTimeoutMs: 300, connectTimeoutMs: 300 });
    const events: string[] = [];
    engine.watch({ connected: () => events.push('up'), lost: ({ code }) => events.push(code) });
    engine.start();
    await until(() => engine.connected);
    expect(await codeOf(engine.query('SELECT pg_sleep(9)'))).toBe('SEKISHO_ENGINE_TIMEOUT');
    postgres.freeze();
    const unsure = codeOf(engine.query('SELECT 1'));
    expect(await unsure).toBe('SEKISHO_ENGINE_UNSURE');
    await until(() => !engine.connected);
    postgres.thaw();
    await until(() => engine.connected);
    expect(events[0]).toBe('up');
    expect(await engine.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('names what is wrong with the place, the user, the database and TLS', async () => {
    const { port } = postgres;
    const at = (url: string, settings: Partial<EngineSettings> = {}) =>
      codeOf(open({ urlFile: postgres.urlFile('postgres', url), ...settings }).query('SELECT 1'));
    expect(await at(`postgres://sekisho:wrong@127.0.0.1:${port}/postgres`)).toBe('SEKISHO_ENGINE_DENIED');
    expect(await at(`postgres://sekisho@127.0.0.1:${port}/postgres`)).toBe('SEKISHO_ENGINE_DENIED');
    expect(await at(`postgres://nobody:x@127.0.0.1:${port}/postgres`)).toBe('SEKISHO_ENGINE_DENIED');
    expect(await at(postgres.url('none'))).toBe('SEKISHO_ENGINE_NO_DATABASE');
    expect(await at(postgres.url().replace(String(port), String(await freePort())))).toBe('SEKISHO_ENGINE_UNREACHABLE');
    const caFile = join(temporaryFolder('ca'), 'ca.pem');
    writeFileSync(caFile, certificate.pem);
    const local = postgres.url().replace('127.0.0.1', 'localhost');
    const other = makeCertificate(temporaryFolder('ca'), 'other').certificate;
    expect(await at(local, { caFile: other })).toBe('SEKISHO_ENGINE_TLS');
    // The certificate is for another name.
    expect(await at(postgres.url(), { caFile })).toBe('SEKISHO_ENGINE_TLS');
    expect(() => open({ caFile: '/nowhere' })).toThrow(expect.objectContaining({ code: 'SEKISHO_ENGINE_TLS' }));
    const safe = open({ urlFile: postgres.urlFile('postgres', local), caFile });
    const ssl = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
    expect(await safe.query(ssl)).toEqual([{ ssl: true }]);
    for (const [text, words] of [
      ['', /is empty/],
      ['mysql://a:b@c/d', /does not begin with postgres/],
      ['postgres://sekisho:a%@h/d', /%25/],
      ['postgres://h/d', /no user/],
      ['postgres://u:s3cret@h/', /no database/],
      ['postgres://u:s3cret@h/d?sslmode=disable', /'sslmode' is unknown/],
      ['s3cret', /not of the form/],
      ['postgres://u:s3cret@h/d\nmore', /more than one word/],
    ] as const) {
      const urlFile = postgres.urlFile('postgres', text);
      expect(() => open({ urlFile })).toThrow(words);
      expect(() => open({ urlFile })).not.toThrow(/s3cret/);
    }
    expect(() => open({ urlFile: '/nowhere' })).toThrow(/cannot be read: '\/nowhere' \(ENOENT\)/);
  });

  it('reads a changed password without a restart', async () => {
    const urlFile = postgres.urlFile('postgres', postgres.url().replace('p%40ss', 'wrong'));
    const engine = open({ urlFile });
    expect(await codeOf(engine.query('SELECT 1'))).toBe('SEKISHO_ENGINE_DENIED');
    writeFileSync(urlFile, postgres.url());
    expect(await engine.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('says that nothing was written: read-only, full, no privilege; or that the standby did not hear', async () => {
    const database = postgres.createDatabase();
    const urlFile = postgres.urlFile(database);
    const first = open({ urlFile });
    await first.query('CREATE TABLE t (n INTEGER)');
    postgres.sql(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    expect(await codeOf(open({ urlFile }).query('INSERT INTO t VALUES (1)'))).toBe('SEKISHO_ENGINE_READ_ONLY');
    postgres.sql(`ALTER DATABASE ${database} RESET default_transaction_read_only`);
    const full = first.query("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$");
    expect(await codeOf(full)).toBe('SEKISHO_ENGINE_FULL');
    postgres.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'");
    const guest = `postgres://guest:guest@127.0.0.1:${postgres.port}/${database}`;
    const asGuest = open({ urlFile: postgres.urlFile(database, guest) });
    expect(await codeOf(asGuest.query('SELECT * FROM t'))).toBe('SEKISHO_ENGINE_PRIVILEGE');
    postgres.sql("ALTER SYSTEM SET synchronous_standby_names = 'gone'");
    postgres.sql('SELECT pg_reload_conf()');
    const alone = open({ urlFile, statementTimeoutMs: 300 });
    const change = () => codeOf(alone.query('INSERT INTO t VALUES (2)'));
    let code = await change();
    // The server takes the setting in a moment later.
    while (code === 'no error') code = await change();
    expect(['SEKISHO_ENGINE_UNREPLICATED', 'SEKISHO_ENGINE_UNSURE']).toContain(code);
    const both = alone.transaction((session) => session.query('INSERT INTO t VALUES (3)'));
    expect(['SEKISHO_ENGINE_UNREPLICATED', 'SEKISHO_ENGINE_UNSURE']).toContain(await codeOf(both));
    postgres.sql('ALTER SYSTEM RESET synchronous_standby_names');
    postgres.sql('SELECT pg_reload_conf()');
  });

  it('is at an end after close', async () => {
    const engine = open();
    engine.start();
    await until(() => engine.connected);
    await Promise.all([engine.close(), engine.close()]);
    expect(await codeOf(engine.query('SELECT 1'))).toBe('SEKISHO_ENGINE_UNREACHABLE');
  });

  it('refuses a pooler in transaction mode, and takes one in session mode', async (context) => {
    context.skip(pgbouncerMissing() !== undefined, pgbouncerMissing());
    for (const mode of ['transaction', 'session']) {
      const folder = temporaryFolder('pgbouncer');
      const port = await freePort();
      writeFileSync(join(folder, 'users'), `"sekisho" "${postgres.password}"\n`);
      const settings = `[databases]
* = host=127.0.0.1 port=${postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users
pool_mode = ${mode}
logfile =
pidfile =
${process.getuid?.() === 0 ? 'user = nobody' : ''}
`;
      writeFileSync(join(folder, 'pgbouncer.ini'), settings);
      chmodSync(folder, 0o755);
      const pooler = await startProcess({
        name: 'pgbouncer',
        command: requireProgram('pgbouncer'),
        args: [join(folder, 'pgbouncer.ini')],
        ready: async () => !(await isFree(port)),
      });
      const url = postgres.url().replace(String(postgres.port), String(port));
      const engine = open({ urlFile: postgres.urlFile('postgres', url) });
      engine.start();
      await until(() => engine.connected || engine.failure !== undefined);
      expect([mode, engine.failure?.code]).toEqual([
        mode,
        mode === 'transaction' ? 'SEKISHO_ENGINE_POOLER' : undefined,
      ]);
      await engine.close();
      await pooler.stop();
    }
  });

  describe('the schema', () => {
    const step = (name: string, worksWith?: number) => ({
      name,
      sql: `CREATE TABLE sekisho.${name} (n INTEGER)`,
      ...(worksWith === undefined ? {} : { worksWith }),
    });

    it('goes forward, once, whoever else does it at the same moment', async () => {
      const urlFile = postgres.urlFile(postgres.createDatabase());
      const [one, other] = [open({ urlFile }), open({ urlFile })];
      expect(await codeOf(requireSchema(one))).toBe('SEKISHO_FLEET_NOT_INITIALISED');
      const taken = await Promise.all([migrate(one, 'a'), migrate(other, 'b')]);
      expect(taken.flat()).toHaveLength(SCHEMA_VERSION);
      expect(await requireSchema(one)).toMatchObject({ version: SCHEMA_VERSION, known: SCHEMA_VERSION });
      expect(await migrate(one, 'a')).toEqual([]);
    });

    it('is refused where it is too new, and unchanged by a step that fails', async () => {
      const engine = open({ urlFile: postgres.urlFile(postgres.createDatabase()) });
      const broken = { name: 'broken', sql: 'SELECT 1 / 0' };
      expect(await codeOf(migrate(engine, 'a', [step('one'), broken]))).toBe('SEKISHO_ENGINE_FAILED');
      expect((await schemaState(engine)).version).toBe(0);
      const three = [step('one'), step('two'), step('three')];
      await migrate(engine, 'a', three);
      // The version before this one goes on; the one before that is refused.
      expect(await migrate(engine, 'a', three.slice(0, 2))).toEqual([]);
      expect(await codeOf(migrate(engine, 'a', three.slice(0, 1)))).toBe('SEKISHO_FLEET_SCHEMA_NEWER');
      await engine.query("INSERT INTO sekisho.schema_version VALUES (99, 98, 'later', 'b')");
      expect(await codeOf(requireSchema(engine))).toBe('SEKISHO_FLEET_SCHEMA_NEWER');
      await engine.query('UPDATE sekisho.schema_version SET works_with = $1, version = 100 WHERE version = 99', [
        SCHEMA_VERSION,
      ]);
      expect(await requireSchema(engine)).toMatchObject({ version: 100 });
    });
  });
});

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
