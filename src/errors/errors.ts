/**
 * Errors that Sekisho reports to people and to programs. Each has a code that never changes its meaning, so that a script, a
 * runbook or a search finds it again; the message of one error says what happened this time.
 *
 * Every room and every plugin keeps the catalogue of its own codes in its errors.ts; here stand the mechanism and the codes that
 * belong to no room. docs/errors.md is made from all of them (test/meta/errors.test.ts).
 *
 * Control plane only. On the packet path an error is a response code and a counter, never an exception.
 */

export interface ErrorEntry {
  /** HTTP status of the admin API, where a request meets it. */
  readonly status: number;
  /** What the command line exits with: 1 = it did not work, 2 = it was used wrongly. */
  readonly exitCode: 1 | 2;
  /** What has happened, for the reference documentation. */
  readonly meaning: string;
  /** What the operator can do about it. */
  readonly remedy: string;
}

/** The errors of one room or plugin by their codes. */
export type Catalogue = Readonly<Record<string, ErrorEntry>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Further lines for people, e.g. every problem of a configuration. */
  readonly details?: readonly string[];
}

/** `SEKISHO_…`; the codes of a plugin from outside begin as its author likes. */
export const ERROR_CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** The same in every copy of this module: a plugin from outside may have been loaded with one of its own. */
const BRAND = Symbol.for('sekisho.error');

/** Made by the functions that `errorsOf` gives; or out of what a server has said, by the command line. */
export class SekishoError extends Error {
  readonly code: string;
  readonly status: number;
  readonly exitCode: 1 | 2;
  readonly remedy: string;
  readonly details: readonly string[];

  constructor(code: string, entry: Omit<ErrorEntry, 'meaning'>, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SekishoError';
    this.code = code;
    this.status = entry.status;
    this.exitCode = entry.exitCode;
    this.remedy = entry.remedy;
    this.details = options.details ?? [];
  }

  get [BRAND](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): value is SekishoError {
    return value instanceof Error && BRAND in value;
  }
}

/**
 * What makes the errors of `catalogue`: `throw listError('SEKISHO_LIST_UNKNOWN', 'there is no list of that name')`. A code that the
 * catalogue does not hold is an error of the compiler. Throws TypeError for a catalogue that is none.
 */
export function errorsOf<const Entries extends Catalogue>(
  catalogue: Entries,
): (code: keyof Entries & string, message: string, options?: ErrorOptions) => SekishoError {
  for (const [code, { status, exitCode }] of Object.entries(catalogue)) {
    if (!ERROR_CODE.test(code)) throw new TypeError(`error code '${code}' is not of the form ${ERROR_CODE.source}`);
    if (!Number.isInteger(status) || status < 400 || status > 599)
      throw new TypeError(`error ${code}: ${status} is no HTTP status of a failure`);
    if (exitCode !== 1 && exitCode !== 2) throw new TypeError(`error ${code}: the exit code is 1 or 2`);
  }
  return (code, message, options) => {
    if (!Object.hasOwn(catalogue, code)) throw new TypeError(`the catalogue of errors has no ${code}`);
    return new SekishoError(code, catalogue[code] as ErrorEntry, message, options);
  };
}

/** What belongs to no room, or to several. */
export const GENERAL_ERRORS = {
  SEKISHO_REQUEST_INVALID: {
    status: 400,
    exitCode: 1,
    meaning: 'A request to the admin API lacks a parameter, has an invalid one, or is too long (413).',
    remedy: 'The message names the parameter; `/openapi.json` describes every one.',
  },
  SEKISHO_NOT_READY: {
    status: 503,
    exitCode: 1,
    meaning: 'The server is starting or shutting down and cannot carry out the request now.',
    remedy: 'Ask again when `/readyz` answers 200.',
  },
  SEKISHO_INTERNAL: {
    status: 500,
    exitCode: 1,
    meaning: 'An internal error of Sekisho.',
    remedy: 'Please report it with the message and the steps that led to it.',
  },
  SEKISHO_PORT_IN_USE: {
    status: 500,
    exitCode: 1,
    meaning: 'Another program listens on an address and port that the configuration names.',
    remedy: 'Stop the other program (`ss -lntup` names it) or choose another port.',
  },
  SEKISHO_PORT_FORBIDDEN: {
    status: 500,
    exitCode: 1,
    meaning: 'The system does not let this user listen on the port; ports below 1024 need a privilege.',
    remedy: 'Grant CAP_NET_BIND_SERVICE, or choose a port above 1023.',
  },
  SEKISHO_ADDRESS_UNAVAILABLE: {
    status: 500,
    exitCode: 1,
    meaning: 'The configuration names a listen address that this machine does not have.',
    remedy: 'Compare `server.listen` and `admin.listen` with `ip address`.',
  },
  SEKISHO_LISTEN_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'A listening socket could not be opened, for a reason without a code of its own.',
    remedy: "The message carries the system's own words.",
  },
} as const satisfies Catalogue;

export const generalError = errorsOf(GENERAL_ERRORS);

/**
 * The error for a socket that could not be opened: `what` is the address as configured, `error` what the system said.
 */
export function listenError(what: string, error: NodeJS.ErrnoException): SekishoError {
  switch (error.code) {
    case 'EADDRINUSE':
      return generalError('SEKISHO_PORT_IN_USE', `${what} is in use by another program`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return generalError('SEKISHO_PORT_FORBIDDEN', `this user may not listen on ${what}`, { cause: error });
    case 'EADDRNOTAVAIL':
      return generalError('SEKISHO_ADDRESS_UNAVAILABLE', `this machine has no address ${what}`, { cause: error });
    default:
      return generalError('SEKISHO_LISTEN_FAILED', `cannot listen on ${what}: ${error.message}`, { cause: error });
  }
}

/** An error of any kind in one line for people: never a stack. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] || 'unknown error';
}
