/**
 * The catalogue of errors that Sekisho reports to people and to programs. Each has a code that never changes its meaning,
 * so that a script, a runbook or a search finds it again; the message of one error says what happened this time.
 *
 * Control plane only. On the packet path an error is a response code and a counter, never an exception.
 */

export interface ErrorEntry {
  /** What the command line exits with: 1 = it did not work, 2 = it was used wrongly. */
  readonly exitCode: 1 | 2;
  /** What has happened, for the reference documentation. */
  readonly meaning: string;
  /** What the operator can do about it. */
  readonly remedy: string;
}

export const ERRORS = {
  // ── use ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_USAGE: {
    exitCode: 2,
    meaning: 'The command line was used in a way that it does not know.',
    remedy: '`sekisho help` lists the commands, `sekisho COMMAND --help` explains one.',
  },
  // ── configuration ─────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_CONFIG_INVALID: {
    exitCode: 1,
    meaning: 'The configuration holds at least one problem; every one is listed with file, line and column.',
    remedy: 'Correct the lines named; `sekisho check` looks at them again without starting anything.',
  },
  SEKISHO_RANGES_UNREADABLE: {
    exitCode: 1,
    meaning:
      'Rows of the file of static ranges name an address and cannot be read, so whose address it is is not known.',
    remedy:
      'Correct the rows that `sekisho check` names; or let nobody be known behind those addresses, with `subscribers.unreadable-rows: hide`.',
  },
  SEKISHO_TOO_MANY_RANGES: {
    exitCode: 1,
    meaning: 'The file of static ranges has more rows than one server can hold; none of them is in force.',
    remedy: 'Write neighbouring addresses of one subscriber or group as one network.',
  },
  SEKISHO_NO_TEXT: {
    exitCode: 1,
    meaning: 'A file that should hold rows of text is a spreadsheet, an archive or the like.',
    remedy: 'Save it as CSV, in UTF-8.',
  },
  SEKISHO_PLUGIN_NOT_FOUND: {
    exitCode: 1,
    meaning: 'The configuration names a plugin that is not built in, and the module it names cannot be found.',
    remedy: 'Correct the name, or give `module:` a file relative to the configuration or an installed package.',
  },
  SEKISHO_PLUGIN_INVALID: {
    exitCode: 1,
    meaning: 'A module was loaded but exports no plugin as src/contract/plugin.ts asks for, or one with an async hook.',
    remedy: 'Export the result of `definePlugin` as the default; take `async` off its data hooks.',
  },
  SEKISHO_PLUGIN_CONTRACT: {
    exitCode: 1,
    meaning: 'A plugin was made for another version of the plugin contract than this server has.',
    remedy: 'Install the plugin’s release for this version of Sekisho; its author finds what changed in CHANGELOG.md.',
  },
  SEKISHO_PLUGIN_FAILED: {
    exitCode: 1,
    meaning: 'A plugin threw while it was set up, so the server did not start or the reload was refused.',
    remedy: "Read the plugin's own message; take the plugin out of the configuration to start without it.",
  },
  // ── sockets and files ─────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_PORT_IN_USE: {
    exitCode: 1,
    meaning: 'Another program listens on an address and port that the configuration names.',
    remedy: 'Stop the other program (`ss -lntup` names it) or choose another port.',
  },
  SEKISHO_PORT_FORBIDDEN: {
    exitCode: 1,
    meaning: 'The system does not let this user listen on the port; ports below 1024 need a privilege.',
    remedy: 'Grant CAP_NET_BIND_SERVICE, or choose a port above 1023.',
  },
  SEKISHO_ADDRESS_UNAVAILABLE: {
    exitCode: 1,
    meaning: 'The configuration tells the server to listen on an address that this machine does not have.',
    remedy: 'Compare `server.listen` and `admin.listen` with `ip address`.',
  },
  SEKISHO_LISTEN_FAILED: {
    exitCode: 1,
    meaning: 'Opening a listening socket failed for a reason that has no code of its own.',
    remedy: "The message carries the system's own words.",
  },
  SEKISHO_DATA_UNWRITABLE: {
    exitCode: 1,
    meaning: 'The folder `server.data` cannot be made or written to.',
    remedy: 'Give the folder to the user that runs the server, or name another one.',
  },
  SEKISHO_DATA_OPEN: {
    exitCode: 1,
    meaning: 'Others than the server can write to `server.data`, or it is open to them and cannot be closed.',
    remedy: 'Look at what lies in the folder, then `chown` it to the user that runs the server and `chmod 700` it.',
  },
  SEKISHO_DATA_IN_USE: {
    exitCode: 1,
    meaning: 'Another process runs on the same `server.data`; the message names it.',
    remedy: 'Stop the other process, or give each server a folder of its own.',
  },
  SEKISHO_RESTART_DUE: {
    exitCode: 1,
    meaning: 'The program on disk is no longer the one that this process began with, so no further worker is started.',
    remedy: 'Restart the server: `systemctl restart sekisho`. Until then it serves with the workers that it has.',
  },
  SEKISHO_WORKERS_FAILED: {
    exitCode: 1,
    meaning: 'No worker thread came up, so that no query could be answered.',
    remedy: "The log holds the worker's own error just before this one.",
  },
  // ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_LIST_UNKNOWN: {
    exitCode: 1,
    meaning: 'The configuration in force has no list of that name.',
    remedy: '`sekisho lists` shows them.',
  },
  SEKISHO_LIST_FAILED: {
    exitCode: 1,
    meaning: 'A list could not be fetched, read or compiled; the version in force stays.',
    remedy: 'The message says why; `sekisho lists status NAME` shows what is in force meanwhile.',
  },
  SEKISHO_LIST_REFUSED: {
    exitCode: 1,
    meaning: 'The guard refused a new version of a list; it is held back and the version in force stays.',
    remedy: 'Look at the findings. `sekisho lists reload NAME --override --approver WHO --reason WHY` accepts it.',
  },
  SEKISHO_LIST_NOTHING_HELD: {
    exitCode: 1,
    meaning: 'An override was asked for, but the guard holds no version of the list back.',
    remedy: '`sekisho lists reload NAME` fetches a new one.',
  },
  SEKISHO_LIST_NO_PREVIOUS: {
    exitCode: 1,
    meaning: 'A rollback was asked for, but no version before the one in force is kept.',
    remedy: '`sekisho lists status NAME` shows which versions are kept.',
  },
  // ── subscribers ───────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_NO_SUBSCRIBERS: {
    exitCode: 1,
    meaning: 'The configuration in force has no `subscribers`, so that nobody is known and nobody is inspected.',
    remedy: 'Add `subscribers` to the configuration and reload.',
  },
  SEKISHO_CONSENT_REFUSED: {
    exitCode: 1,
    meaning: 'A change of consent cannot be recorded as it was asked for; nothing was changed.',
    remedy: 'The message says why; `sekisho consent --help` shows what can be asked for.',
  },
  SEKISHO_LEDGER_UNUSABLE: {
    exitCode: 1,
    meaning: 'The consent ledger cannot be opened: answers are served, and nobody is inspected.',
    remedy: 'Look at the file and its folder, and start again. Put no older copy in its place: it lacks withdrawals.',
  },
  SEKISHO_LEDGER_SOUND: {
    exitCode: 1,
    meaning: 'Damage was to be accepted, but nothing is wrong with the record.',
    remedy: '`sekisho consent verify` and `sekisho audit verify` say whether the records hold.',
  },
  SEKISHO_LEDGER_FAILED: {
    exitCode: 1,
    meaning:
      'A change of consent could not be written to the ledger; a withdrawal acts all the same until the next start.',
    remedy: 'Free the disk or mend the file, then ask again.',
  },
  SEKISHO_LEASE_REFUSED: {
    exitCode: 1,
    meaning:
      'A lease over the API is outside the networks that leases may be written in (HTTP 422); nothing was changed.',
    remedy: 'Compare the address with `subscribers.provisioning.prefixes`; without that key it is `server.access`.',
  },
  // ── admin API ─────────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_SERVER_UNREACHABLE: {
    exitCode: 1,
    meaning: 'Nothing answers at the address of the admin API.',
    remedy: 'Start the server with `sekisho run`, or name its configuration with `--config`.',
  },
  SEKISHO_SERVER_LOST: {
    exitCode: 1,
    meaning:
      'The server took a command and ended, restarted or hung before it answered; what became of the command is not known.',
    remedy: 'Look at the log and at `sekisho status` before giving the command again: it may have been carried out.',
  },
  SEKISHO_SERVER_ANSWER: {
    exitCode: 1,
    meaning: 'Something answers at the address of the admin API, but not as Sekisho of this version does.',
    remedy: 'Check that `admin.listen` is the port of Sekisho, and that both are of one version.',
  },
  SEKISHO_TOKEN_UNREADABLE: {
    exitCode: 1,
    meaning: 'The token file cannot be read, or holds no token.',
    remedy: 'Run the command as the user of the server, or set SEKISHO_TOKEN.',
  },
  SEKISHO_TOKEN_MISSING: {
    exitCode: 1,
    meaning: 'A request to the admin API carried no bearer token, or one that is not known (HTTP 401).',
    remedy: 'Send `Authorization: Bearer …` with the token of `<data>/admin.token` or one of `admin.tokens-file`.',
  },
  SEKISHO_ROLE_MISSING: {
    exitCode: 1,
    meaning: 'The token is known, but its role is not among those that the request needs (HTTP 403).',
    remedy: 'Use a token with one of the roles that the message names.',
  },
  SEKISHO_REQUEST_INVALID: {
    exitCode: 1,
    meaning: 'A request to the admin API lacks a parameter or carries one that cannot be understood (HTTP 400, 413).',
    remedy: 'The message names the parameter; `/openapi.json` describes every one.',
  },
  SEKISHO_NOT_FOUND: {
    exitCode: 1,
    meaning: 'The admin API has nothing under that path (HTTP 404).',
    remedy: '`/openapi.json` lists the paths of the running server.',
  },
  SEKISHO_NOT_READY: {
    exitCode: 1,
    meaning: 'The server is starting or draining and cannot do what was asked just now (HTTP 503).',
    remedy: 'Ask again when `/readyz` answers 200.',
  },
  // ── sinkhole desk ─────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_SINKHOLE_REFUSED: {
    exitCode: 1,
    meaning:
      'A sinkhole rule lacks what its ground needs, or names what no rule may name (HTTP 422); nothing was changed.',
    remedy: 'Every problem is listed; `sekisho sinkhole --help` shows a complete command line.',
  },
  SEKISHO_SINKHOLE_CONFLICT: {
    exitCode: 1,
    meaning: 'The change does not fit the rules that are there (HTTP 409); nothing was changed.',
    remedy: '`sekisho sinkhole list` shows the rules; renew or remove the one that the message names.',
  },
  SEKISHO_SINKHOLE_NO_RULE: {
    exitCode: 1,
    meaning: 'The sinkhole desk has no rule on that name (HTTP 404).',
    remedy: '`sekisho sinkhole list` shows the rules; those of the configuration are changed there.',
  },
  SEKISHO_SINKHOLE_STORE: {
    exitCode: 1,
    meaning: 'The sinkhole desk could not write its rules to the disk (HTTP 503); nothing was changed.',
    remedy: "Look at the space and the permissions of `<data>/sinkhole/`; the message carries the store's own words.",
  },
  SEKISHO_SINKHOLE_WORKERS: {
    exitCode: 1,
    meaning: 'A sinkhole rule was kept, but at least one worker could not take it (HTTP 500).',
    remedy:
      'The log says which worker and why; `sekisho sinkhole list` shows what is kept. A reload brings it to new workers.',
  },
  // ── measures ──────────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_MEASURE_REFUSED: {
    exitCode: 1,
    meaning:
      'A measure lacks what its ground needs, or is on what no measure may be on (HTTP 422); nothing was changed.',
    remedy: 'Every problem is listed; `sekisho diagnose` prints a complete command line for each proposal.',
  },
  SEKISHO_MEASURE_CONFLICT: {
    exitCode: 1,
    meaning: 'The measure does not fit those that are there (HTTP 409); nothing was changed.',
    remedy: '`sekisho measures` shows them; lift the one that the message names, or diagnose again.',
  },
  SEKISHO_MEASURE_UNKNOWN: {
    exitCode: 1,
    meaning: 'No measure of that number is in force (HTTP 404).',
    remedy: '`sekisho measures` shows those that are, and those that ended within the last day.',
  },
  SEKISHO_MEASURE_STORE: {
    exitCode: 1,
    meaning: 'A measure could not be written to the disk (HTTP 503), so it was not put in force.',
    remedy: 'Look at the space and the permissions of `<data>/measures/`; the log names the reason.',
  },
  SEKISHO_DIAGNOSIS_UNKNOWN: {
    exitCode: 1,
    meaning: 'There is no diagnosis of that number any more, or it has no such proposal (HTTP 404).',
    remedy: 'Run `sekisho diagnose` again: a proposal can be put in force for half an hour.',
  },
  // ── records ───────────────────────────────────────────────────────────────────────────────────────────────────────
  SEKISHO_AUDIT_FAILED: {
    exitCode: 1,
    meaning: 'The audit log could not be written, so what had to be audited was refused (HTTP 503).',
    remedy: 'Look at the space and the permissions of `server.data`; the log names the reason.',
  },
  SEKISHO_AUDIT_DAMAGED: {
    exitCode: 1,
    meaning: 'The audit log was found damaged, so reads of personal data are refused (HTTP 503).',
    remedy: 'Find out what happened; then a person of the role privacy runs `sekisho audit acknowledge --reason …`.',
  },
  SEKISHO_PURPOSE_MISSING: {
    exitCode: 1,
    meaning: 'A read of personal data was asked for without a purpose (HTTP 400), so nothing was read.',
    remedy: 'Say in a sentence why: `--reason TEXT` on the command line, `reason` over the API. It is recorded.',
  },
  SEKISHO_AUDIT_BROKEN: {
    exitCode: 1,
    meaning: 'The chain of the audit log does not hold: entries were changed, inserted or taken away.',
    remedy: 'Compare the file with a backup and with the hashes in the log of the server, then acknowledge it.',
  },
  SEKISHO_HISTORY_CLOSED: {
    exitCode: 1,
    meaning: 'The query-rate history may be read only while an overload is open (HTTP 409).',
    remedy: 'Declare one with `--reason "…"`: it is recorded with your name and ends by itself.',
  },
  SEKISHO_HISTORY_EMPTY: {
    exitCode: 1,
    meaning: 'There is nothing to show or to compare for the time that was asked for (HTTP 404).',
    remedy: 'Wait for the first ten seconds of traffic, or ask for a window inside the retention.',
  },
  SEKISHO_INTERNAL: {
    exitCode: 1,
    meaning: 'A fault of Sekisho itself.',
    remedy: 'Please report it with the message and what led to it.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export class SekishoError extends Error {
  readonly code: ErrorCode;
  /** Further lines for people, e.g. every problem of a configuration. */
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: readonly string[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SekishoError';
    this.code = code;
    this.details = options.details ?? [];
  }

  get exitCode(): 1 | 2 {
    return ERRORS[this.code].exitCode;
  }
}

/**
 * The error for a socket that could not be opened: `what` is the address as configured, `error` what the system said.
 */
export function listenError(what: string, error: NodeJS.ErrnoException): SekishoError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new SekishoError('SEKISHO_PORT_IN_USE', `${what} is in use by another program`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new SekishoError('SEKISHO_PORT_FORBIDDEN', `this user may not listen on ${what}`, { cause: error });
    case 'EADDRNOTAVAIL':
      return new SekishoError('SEKISHO_ADDRESS_UNAVAILABLE', `this machine has no address ${what}`, { cause: error });
    default:
      return new SekishoError('SEKISHO_LISTEN_FAILED', `cannot listen on ${what}: ${error.message}`, { cause: error });
  }
}

/** An error of any kind in one line for people: never a stack. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] || 'unknown error';
}
