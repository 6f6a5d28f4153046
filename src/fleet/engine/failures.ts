/**
 * What PostgreSQL, the network or TLS said, as an error with a code of ours. What PostgreSQL writes about values (classes 22 and 23, and
 * every `detail`) can hold a subscriber and is not repeated.
 */
import { errorText, SekishoError } from '../../errors/errors.ts';
import { ENGINE_ERRORS, engineError } from './errors.ts';

type EngineCode = keyof typeof ENGINE_ERRORS;

/** SQLSTATEs (PostgreSQL's manual, appendix A), the longest that fits first. */
const BY_STATE: readonly (readonly [state: string, code: EngineCode, words: string])[] = [
  ['28P01', 'SEKISHO_ENGINE_DENIED', 'PostgreSQL refused the password'],
  ['28', 'SEKISHO_ENGINE_DENIED', 'PostgreSQL does not let this user in'],
  ['3D000', 'SEKISHO_ENGINE_NO_DATABASE', 'PostgreSQL has no database of that name'],
  ['3F000', 'SEKISHO_FLEET_NOT_INITIALISED', 'the database has no schema of Sekisho'],
  ['42P01', 'SEKISHO_FLEET_NOT_INITIALISED', 'the database lacks a table of Sekisho'],
  ['42501', 'SEKISHO_ENGINE_PRIVILEGE', 'PostgreSQL refused the statement: the role lacks a privilege'],
  ['57014', 'SEKISHO_ENGINE_TIMEOUT', 'PostgreSQL cancelled the statement: it took too long'],
  ['55P03', 'SEKISHO_ENGINE_TIMEOUT', 'a lock was not to be got in time'],
  ['25P03', 'SEKISHO_ENGINE_TIMEOUT', 'PostgreSQL ended a transaction that stood idle'],
  ['25006', 'SEKISHO_ENGINE_READ_ONLY', 'PostgreSQL takes no changes: it is a standby or read-only'],
  ['40', 'SEKISHO_ENGINE_BUSY', 'the transaction met others'],
  ['53300', 'SEKISHO_ENGINE_FULL', 'PostgreSQL has no connection left'],
  ['53', 'SEKISHO_ENGINE_FULL', 'PostgreSQL is out of disk or memory'],
  ['57P', 'SEKISHO_ENGINE_UNREACHABLE', 'PostgreSQL is starting or stopping'],
  ['08', 'SEKISHO_ENGINE_UNREACHABLE', 'the connection to PostgreSQL failed'],
];

/** What Node.js's sockets say. */
const NETWORK = /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|EPIPE|EADDRNOTAVAIL|ENOENT|EACCES|EPERM)/;
/** OpenSSL's verdicts on a certificate (X509_V_ERR_…, as Node.js names them) and Node.js's own. */
const TLS_CODE =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|EPROTO|CRL_|ERROR_IN_|HOSTNAME_MISMATCH|INVALID_CA)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

const states = new WeakMap<SekishoError, string>();

/** The SQLSTATE behind an error of this room; undefined where PostgreSQL said none. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof SekishoError ? states.get(error) : undefined;
}

/** It is about PostgreSQL (errors.ts), and not about what was asked. */
export function isEngineFailure(error: unknown): boolean {
  return error instanceof SekishoError && Object.hasOwn(ENGINE_ERRORS, error.code);
}

/** `error` as one with a code; one of ours stays. Made anew and without `cause`: the original may carry values of rows. */
export function engineFailure(error: unknown): SekishoError {
  if (error instanceof SekishoError) return error;
  const { code = '', message = '', routine } = error as { code?: string; message?: string; routine?: string };
  if (/unsupported startup parameter/.test(message))
    return engineError(
      'SEKISHO_ENGINE_POOLER',
      'a pooler stands before PostgreSQL and refuses the settings of the session',
    );
  if (SQLSTATE.test(code) && !NETWORK.test(code)) return ofState(code, message, routine);
  if (TLS_CODE.test(code) || /SSL|TLS|certificate/.test(message))
    return engineError('SEKISHO_ENGINE_TLS', `no trusted TLS connection to PostgreSQL: ${tlsWords(code, message)}`);
  if (/timeout|timed out/i.test(message) || code === 'ETIMEDOUT')
    return /connect/i.test(message) || message === 'timeout expired' || code === 'ETIMEDOUT'
      ? engineError('SEKISHO_ENGINE_UNREACHABLE', 'no connection to PostgreSQL in time')
      : engineError('SEKISHO_ENGINE_TIMEOUT', 'PostgreSQL did not answer in time');
  if (NETWORK.test(code)) return engineError('SEKISHO_ENGINE_UNREACHABLE', `PostgreSQL cannot be reached: ${code}`);
  if (/terminated|Connection ended|not queryable|was closed|after calling end|SASL|password must be/i.test(message))
    return /SASL|password must be/i.test(message)
      ? engineError('SEKISHO_ENGINE_DENIED', 'PostgreSQL asks for a password and the URL has none that it takes')
      : engineError('SEKISHO_ENGINE_UNREACHABLE', 'the connection to PostgreSQL broke');
  return engineError('SEKISHO_ENGINE_FAILED', `the statement failed: ${errorText(error)}`);
}

/** The same, for a COMMIT: where no answer came, nobody knows. */
export function commitFailure(error: unknown): SekishoError {
  const failure = engineFailure(error);
  const unsure =
    failure.code === 'SEKISHO_ENGINE_UNREACHABLE' ||
    (failure.code === 'SEKISHO_ENGINE_TIMEOUT' && !states.has(failure));
  return unsure
    ? engineError(
        'SEKISHO_ENGINE_UNSURE',
        'the connection to PostgreSQL broke during a commit: it may have happened or not',
      )
    : failure;
}

/** To be tried again: another transaction came first (class 40, except what ended in doubt). */
export function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes(sqlStateOf(error) ?? '');
}

function ofState(state: string, message: string, routine: string | undefined): SekishoError {
  const [, code, words] = BY_STATE.find(([start]) => state.startsWith(start)) ?? [];
  const error =
    code === undefined
      ? engineError(
          'SEKISHO_ENGINE_FAILED',
          `PostgreSQL refused a statement (SQLSTATE ${state}${ownWords(state, message, routine)})`,
        )
      : engineError(code, `${words} (SQLSTATE ${state})`);
  states.set(error, state);
  return error;
}

/** Words about values can hold one; those about the statement (42), the program (XX) and what a trigger of ours raises cannot. */
function ownWords(state: string, message: string, routine: string | undefined): string {
  const safe = /^(42|XX|P0|55|0A)/.test(state);
  return safe ? `: ${message.split('\n', 1)[0]}` : routine === undefined ? '' : `, ${routine}`;
}

function tlsWords(code: string, message: string): string {
  if (/does not support SSL/.test(message)) return 'the server offers no TLS';
  // Names of the certificate are in the message; the URL is not.
  return code === '' ? message.split('\n', 1)[0]! : `${code}`;
}
