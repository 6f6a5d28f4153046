/** How to reach the fleet's PostgreSQL, as the library `pg` is told. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { errorText } from '../../errors/errors.ts';
import { engineError } from './errors.ts';
import { type EnginePlace, isLocal, readEngineUrl } from './url.ts';

export interface EngineSettings {
  /** The file with the URL (url.ts). Read again for each password, so that a changed one needs no restart. */
  readonly urlFile: string;
  /** PEM of the CAs trusted to sign PostgreSQL's certificate; left out: those of Node.js. Given, TLS is used on this machine too. */
  readonly caFile?: string | undefined;
  /** `auto` (unless told otherwise): TLS with the certificate checked, except to this very machine. `off`: never. */
  readonly tls?: 'auto' | 'off' | undefined;
  /** Connections beside that for notifications, 1–100; 4 unless told otherwise. */
  readonly pool?: number | undefined;
  /** A statement that takes longer fails; 5000 unless told otherwise. */
  readonly statementTimeoutMs?: number | undefined;
  /** 3000 unless told otherwise. */
  readonly connectTimeoutMs?: number | undefined;
  /** What PostgreSQL calls these sessions (`pg_stat_activity`): the node's name. */
  readonly name: string;
}

export const POOL_SIZE = 4;
export const STATEMENT_TIMEOUT_MS = 5_000;
export const CONNECT_TIMEOUT_MS = 3_000;
/** PostgreSQL cancels a statement itself; where it says nothing at all, it is given up this much later. */
const SILENCE_MS = 500;

const INT8 = 20;

/** Throws SEKISHO_ENGINE_URL or SEKISHO_ENGINE_TLS for what the files hold. */
export function connectionConfig(settings: EngineSettings): pg.ClientConfig {
  const place = readEngineUrl(settings.urlFile);
  const statementTimeoutMs = settings.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  return {
    host: place.host,
    port: place.port,
    database: place.database,
    user: place.user,
    password: () => readEngineUrl(settings.urlFile).password,
    ssl: tlsOf(settings, place),
    application_name: `sekisho ${settings.name}`.slice(0, 63),
    // The environment (PGOPTIONS and the like) has no say.
    options: '',
    connectionTimeoutMillis: settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    query_timeout: statementTimeoutMs + SILENCE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types: {
      // Sequences and times in milliseconds: all fit into 53 bits.
      getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
    },
  };
}

/** What every session is told first; not with its first packet, which a pooler would refuse. */
export function sessionStatement(settings: EngineSettings): string {
  const ms = Math.floor(settings.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS);
  return `SET statement_timeout = ${ms}; SET lock_timeout = ${ms}; SET idle_in_transaction_session_timeout = ${4 * ms}; SET client_encoding = 'UTF8'`;
}

function tlsOf({ caFile, tls = 'auto' }: EngineSettings, { host }: EnginePlace): pg.ClientConfig['ssl'] {
  if (tls === 'off' || (isLocal(host) && caFile === undefined)) return false;
  if (caFile === undefined) return { rejectUnauthorized: true };
  try {
    return { rejectUnauthorized: true, ca: readFileSync(caFile, 'utf8') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? errorText(error);
    throw engineError('SEKISHO_ENGINE_TLS', `the CA for PostgreSQL cannot be read: '${caFile}' (${code})`);
  }
}
