/** What the console's door refuses. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const CONSOLE_ERRORS = {
  SEKISHO_LOGIN_REFUSED: {
    status: 401,
    exitCode: 1,
    meaning: 'The token that somebody logged in to the console with is not valid.',
    remedy: 'Use the token of `<data>/admin.token` or one of `admin.tokens-file`, without spaces around it.',
  },
  SEKISHO_LOGIN_LIMITED: {
    status: 429,
    exitCode: 1,
    meaning: 'Too many logins failed from this address; no token is looked at for a while.',
    remedy: 'Wait for the time that the message names. The command line is not affected: it works meanwhile.',
  },
  SEKISHO_LOGIN_NO_VIEW: {
    status: 403,
    exitCode: 1,
    meaning: 'The token is valid, but its role has no view in the console: it belongs to a program.',
    remedy: 'Log in with a token of the role viewer, operator, security or privacy.',
  },
  SEKISHO_CSRF_REFUSED: {
    status: 403,
    exitCode: 1,
    meaning: 'A change with the cookie of a console session did not come from the console’s own page.',
    remedy: 'Reload the console. Programs use a bearer token, not the cookie.',
  },
  SEKISHO_CONSOLE_ABSENT: {
    status: 404,
    exitCode: 1,
    meaning: 'The console has no such file; or this program was compiled without its console.',
    remedy: 'Open `/console/`; where that is not there either, compile with `npm run build`.',
  },
  SEKISHO_LIVE_FULL: {
    status: 503,
    exitCode: 1,
    meaning: 'As many consoles as there may be show live figures already.',
    remedy: 'Close consoles that nobody looks at; `GET /metrics` and `GET /v1/status` are there meanwhile.',
  },
} as const satisfies Catalogue;

export const consoleError = errorsOf(CONSOLE_ERRORS);
