/** What can be wrong with the fleet's PostgreSQL. No message holds the password, the URL or a value of a row. */
import { type Catalogue, errorsOf } from '../../errors/errors.ts';

export const ENGINE_ERRORS = {
  SEKISHO_ENGINE_URL: {
    status: 500,
    exitCode: 1,
    meaning: "The file with the URL of the fleet's PostgreSQL cannot be read, or holds no such URL.",
    remedy:
      'Write one line into it: postgres://USER:PASSWORD@HOST:5432/DATABASE (percent-encode special characters); mode 0600.',
  },
  SEKISHO_ENGINE_UNREACHABLE: {
    status: 503,
    exitCode: 1,
    meaning: "The fleet's PostgreSQL cannot be reached, is starting or stopping, or the connection broke.",
    remedy:
      'Check that it runs, and the way to it (`pg_isready -h HOST`). Nodes go on answering DNS and connect by themselves.',
  },
  SEKISHO_ENGINE_DENIED: {
    status: 503,
    exitCode: 1,
    meaning:
      "The fleet's PostgreSQL does not let this user in: wrong password, no such user, or no line in pg_hba.conf.",
    remedy:
      'Compare the file with the URL, the role in PostgreSQL and pg_hba.conf. A corrected file is read at the next connection.',
  },
  SEKISHO_ENGINE_NO_DATABASE: {
    status: 503,
    exitCode: 1,
    meaning: "The server was reached, and has no database of the name in the fleet's URL.",
    remedy: 'Create it (`createdb`), or correct the URL; then run `sekisho fleet init`.',
  },
  SEKISHO_ENGINE_TLS: {
    status: 503,
    exitCode: 1,
    meaning:
      "No trusted TLS connection to the fleet's PostgreSQL: it offers none, or its certificate is not the one expected.",
    remedy:
      'Give the CA that signed its certificate, use a host name that the certificate holds, and set `ssl = on` in PostgreSQL.',
  },
  SEKISHO_ENGINE_TIMEOUT: {
    status: 503,
    exitCode: 1,
    meaning: "The fleet's PostgreSQL did not answer a statement in time, or waited too long for a lock.",
    remedy:
      'Look for a machine under load, a partition of the network, or a session that holds locks (`pg_stat_activity`).',
  },
  SEKISHO_ENGINE_FULL: {
    status: 503,
    exitCode: 1,
    meaning: "The fleet's PostgreSQL is out of disk, memory or connections. Nothing was written.",
    remedy: 'Make room on its disk, or raise `max_connections` (each node takes its pool and one more).',
  },
  SEKISHO_ENGINE_READ_ONLY: {
    status: 503,
    exitCode: 1,
    meaning: "The fleet's PostgreSQL is a standby or read-only. Nothing was written.",
    remedy: 'Point the URL at the primary, or promote the standby (`pg_ctl promote`).',
  },
  SEKISHO_ENGINE_UNREPLICATED: {
    status: 503,
    exitCode: 1,
    meaning:
      "The change is on the primary's disk, and its synchronous standby did not confirm it in time: after a failover it may be gone. It does not count as acknowledged.",
    remedy: 'Bring the standby back, or take it out of `synchronous_standby_names`; then ask again.',
  },
  SEKISHO_ENGINE_UNSURE: {
    status: 503,
    exitCode: 1,
    meaning:
      'The connection broke while a change was being committed: it may have happened or not. It does not count as acknowledged.',
    remedy: 'Look whether it is there, and ask again if it is not; to ask for the same thing twice does no harm.',
  },
  SEKISHO_ENGINE_BUSY: {
    status: 503,
    exitCode: 1,
    meaning: 'A transaction met others again and again (serialization failures, deadlocks). Nothing was written.',
    remedy: 'Ask again; if it stays so, look for long transactions in `pg_stat_activity`.',
  },
  SEKISHO_ENGINE_POOLER: {
    status: 503,
    exitCode: 1,
    meaning:
      'A pooler in transaction mode (PgBouncer) stands before PostgreSQL: notifications do not arrive, so no node would hear of a change.',
    remedy: 'Connect to PostgreSQL directly, or to a pool with `pool_mode = session`.',
  },
  SEKISHO_ENGINE_PRIVILEGE: {
    status: 503,
    exitCode: 1,
    meaning: "The role in the fleet's URL lacks a privilege on the schema `sekisho`.",
    remedy: 'Let the role own the schema: run `sekisho fleet init` with it, or `ALTER SCHEMA sekisho OWNER TO …`.',
  },
  SEKISHO_ENGINE_FAILED: {
    status: 503,
    exitCode: 1,
    meaning: "The fleet's PostgreSQL refused a statement for another reason; the message has its SQLSTATE.",
    remedy: "Look the SQLSTATE up in PostgreSQL's manual (appendix A) and into the log of the server.",
  },
  SEKISHO_FLEET_NOT_INITIALISED: {
    status: 503,
    exitCode: 1,
    meaning: 'The database has no schema of Sekisho yet.',
    remedy: 'Run `sekisho fleet init` once, on any node.',
  },
  SEKISHO_FLEET_SCHEMA_OLDER: {
    status: 503,
    exitCode: 1,
    meaning: "The database's schema is older than this version of Sekisho needs.",
    remedy: 'Run `sekisho fleet init`: it brings the schema forward; nodes of the previous version go on meanwhile.',
  },
  SEKISHO_FLEET_SCHEMA_NEWER: {
    status: 503,
    exitCode: 1,
    meaning: "The database's schema is newer than this version of Sekisho can work with.",
    remedy: 'Install the version that the other nodes run. Nothing was changed.',
  },
} as const satisfies Catalogue;

export const engineError = errorsOf(ENGINE_ERRORS);
