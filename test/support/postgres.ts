/**
 * A real PostgreSQL for tests and benches: Debian's, in a folder of its own, as an unprivileged user (it refuses root), on a free port of
 * 127.0.0.1, with fsync on. It can be stopped, killed, started again and frozen.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensurePackages, findProgram, requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, startProcess, temporaryFolder } from './process.ts';

export interface PostgresOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
  /** With this, connections over TLS are offered. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Where it listens; 127.0.0.1 unless told otherwise. */
  readonly host?: string;
  /** Lines of pg_hba.conf in place of "everybody from anywhere with a password". */
  readonly access?: readonly string[];
}

export interface Postgres {
  readonly port: number;
  /** Superuser `sekisho` with this password. */
  readonly password: string;
  readonly folder: string;
  /** For a database that exists. */
  url(database?: string): string;
  /** A file (mode 0600) with that URL, or with `url` in its place. */
  urlFile(database?: string, url?: string): string;
  /** A new empty database; returns its name. */
  createDatabase(): string;
  /** One statement or several as the superuser; returns what psql prints, without headers. */
  sql(text: string, database?: string): string;
  /** As `sql`, of text that is too long for a command line. */
  sqlFile(text: string, database?: string): void;
  /** Ids of the server and of all processes that it has started. */
  pids(): number[];
  /** SIGTERM waits for sessions, SIGINT ends them, SIGQUIT is a crash in good order. */
  stop(signal?: 'SIGTERM' | 'SIGINT' | 'SIGQUIT'): Promise<void>;
  /** kill -9 of all its processes. */
  kill(): Promise<void>;
  /** On the same port and folder, after `stop` or `kill`. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT for all its processes: connections stay open, and nothing answers. */
  freeze(): void;
  thaw(): void;
}

/** Why PostgreSQL cannot be started here; undefined: it can. */
export function postgresMissing(): string | undefined {
  return ensurePackages(['postgres', 'psql']).values().next().value;
}

/** As whom: not root. */
function user(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string, name: string) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim());
  const name = spawnSync('id', ['-u', 'postgres']).status === 0 ? 'postgres' : 'nobody';
  return { uid: id('-u', name), gid: id('-g', name) };
}

const PASSWORD = 'p@ss word/1';
let databases = 0;

export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const missing = postgresMissing();
  if (missing !== undefined) throw new Error(missing);
  const folder = temporaryFolder('postgres');
  const owner = user();
  const own = (path: string) => owner && chownSync(path, owner.uid, owner.gid);
  own(folder);
  // Whoever owns the folder must be able to reach it.
  if (owner) chmodSync(dirname(folder), statSync(dirname(folder)).mode | 0o011);
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
  own(passwordFile);
  const asOwner = owner && [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'];
  const made = [
    requireProgram('initdb'),
    '-D',
    data,
    '-U',
    'sekisho',
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
  ];
  const [command = '', ...args] = [
    ...(asOwner ? [requireProgram('setpriv'), ...asOwner] : []),
    ...made,
    ...['-E', 'UTF8', '--locale=C', '--no-sync'],
  ];
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  const host = options.host ?? '127.0.0.1';
  const port = await freePort(host);
  const tls = options.tls && {
    certificate: join(folder, 'server.crt'),
    key: join(folder, 'server.key'),
  };
  if (options.tls && tls) {
    copyFileSync(options.tls.certificate, tls.certificate);
    writeFileSync(tls.key, readFileSync(options.tls.key), { mode: 0o600 });
    own(tls.key);
    own(tls.certificate);
  }
  const settings = [
    `listen_addresses = '${host}'`,
    `port = ${port}`,
    "unix_socket_directories = ''",
    'fsync = on',
    'synchronous_commit = on',
    'shared_buffers = 32MB',
    'max_connections = 100',
    'autovacuum_naptime = 30s',
    "log_destination = 'stderr'",
    ...(tls ? ['ssl = on', `ssl_cert_file = '${tls.certificate}'`, `ssl_key_file = '${tls.key}'`] : []),
    ...(options.settings ?? []),
  ];
  writeFileSync(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
  writeFileSync(join(data, 'pg_hba.conf'), `${(options.access ?? ['host all all all scram-sha-256']).join('\n')}\n`);
  const psqlRun = (what: readonly string[], database: string) =>
    execFileSync(
      requireProgram('psql'),
      [
        '-X',
        '-q',
        '-A',
        '-t',
        '-v',
        'ON_ERROR_STOP=1',
        '-h',
        host,
        '-p',
        String(port),
        '-U',
        'sekisho',
        '-d',
        database,
        ...what,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PGPASSWORD: PASSWORD } },
    ).trim();
  const psql = (text: string, database: string) => psqlRun(['-c', text], database);
  let running: RunningProcess | undefined;
  let files = 0;
  const postgres: Postgres = {
    port,
    password: PASSWORD,
    folder,
    url: (database = 'postgres') => `postgres://sekisho:${encodeURIComponent(PASSWORD)}@${host}:${port}/${database}`,
    urlFile(database, url = postgres.url(database)) {
      const file = join(folder, `url-${++files}`);
      writeFileSync(file, `${url}\n`, { mode: 0o600 });
      return file;
    },
    createDatabase() {
      const name = `fleet_${process.pid}_${++databases}`;
      psql(`CREATE DATABASE ${name}`, 'postgres');
      return name;
    },
    sql: (text, database = 'postgres') => psql(text, database),
    sqlFile(text, database = 'postgres') {
      const file = join(folder, `statements-${++files}.sql`);
      writeFileSync(file, text);
      psqlRun(['-f', file], database);
      rmSync(file);
    },
    pids: () => (running ? [running.pid, ...childrenOf(running.pid)] : []),
    async stop(signal = 'SIGINT') {
      await running?.stop(signal);
      running = undefined;
    },
    async kill() {
      for (const pid of postgres.pids()) signalled(pid, 'SIGKILL');
      await running?.ended;
      running = undefined;
    },
    async start() {
      if (running) return;
      running = await startProcess({
        name: 'postgres',
        command: asOwner ? requireProgram('setpriv') : requireProgram('postgres'),
        args: [...(asOwner ? [...asOwner, requireProgram('postgres')] : []), '-D', data],
        cwd: folder,
        ready: async () => psql('SELECT 1', 'postgres') === '1',
      });
    },
    freeze: () => void postgres.pids().forEach((pid) => void signalled(pid, 'SIGSTOP')),
    thaw: () => void postgres.pids().forEach((pid) => void signalled(pid, 'SIGCONT')),
  };
  await postgres.start();
  return postgres;
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function signalled(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Whether a pooler can be had, for the test that refuses one. */
export function pgbouncerMissing(): string | undefined {
  return findProgram('pgbouncer') ? undefined : ensurePackages(['pgbouncer']).values().next().value;
}
