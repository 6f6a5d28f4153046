/** What the admin API refuses, whatever the route. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const ADMIN_ERRORS = {
  SEKISHO_TOKEN_UNREADABLE: {
    status: 500,
    exitCode: 1,
    meaning: 'The token file cannot be read, or holds no token.',
    remedy: 'Run the command as the user of the server, or set SEKISHO_TOKEN.',
  },
  SEKISHO_TOKEN_MISSING: {
    status: 401,
    exitCode: 1,
    meaning: 'A request to the admin API carried no valid bearer token.',
    remedy: 'Send `Authorization: Bearer …` with the token of `<data>/admin.token` or one of `admin.tokens-file`.',
  },
  SEKISHO_ROLE_MISSING: {
    status: 403,
    exitCode: 1,
    meaning: 'The token is valid, but does not have a role that the request needs.',
    remedy: 'Use a token with one of the roles that the message names.',
  },
  SEKISHO_NOT_FOUND: {
    status: 404,
    exitCode: 1,
    meaning: 'The admin API of this server has no such path.',
    remedy: '`/openapi.json` lists the paths of the running server.',
  },
} as const satisfies Catalogue;

export const adminError = errorsOf(ADMIN_ERRORS);
