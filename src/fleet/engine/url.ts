/** The URL of the fleet's PostgreSQL, which lies in a file because it holds a password. */
import { readFileSync } from 'node:fs';
import { errorText } from '../../errors/errors.ts';
import { engineError } from './errors.ts';

export interface EnginePlace {
  /** Name or address; a folder for a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** A secret. Not enumerable: no log and no dump of the object shows it. */
  readonly password: string;
}

const EXAMPLE = 'postgres://USER:PASSWORD@HOST:5432/DATABASE';

/** Throws SEKISHO_ENGINE_URL where the file cannot be read or holds no such URL; the message holds nothing of what it holds. */
export function readEngineUrl(file: string): EnginePlace {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? errorText(error);
    throw engineError('SEKISHO_ENGINE_URL', `the file with the URL of PostgreSQL cannot be read: '${file}' (${code})`);
  }
  return parseEngineUrl(text.trim(), `'${file}'`);
}

/** `where`: what the text was found in, for messages. Throws SEKISHO_ENGINE_URL. */
export function parseEngineUrl(text: string, where: string): EnginePlace {
  const refuse = (why: string) => engineError('SEKISHO_ENGINE_URL', `${where} holds no URL of PostgreSQL: ${why}`);
  if (text === '') throw refuse(`it is empty; ${EXAMPLE} belongs there`);
  if (/\s/.test(text)) throw refuse('it holds more than one word; one line with the URL belongs there');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse(`it is not of the form ${EXAMPLE}`);
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw refuse(`it does not begin with postgres://, as in ${EXAMPLE}`);
  const parameters = [...url.searchParams.keys()].filter((key) => key !== 'host');
  if (parameters.length > 0)
    throw refuse(`the parameter '${parameters[0]}' is unknown; TLS and timeouts are set in the section fleet`);
  const part = (name: string, value: string): string => {
    try {
      return decodeURIComponent(value);
    } catch {
      throw refuse(`its ${name} has a '%' that is not encoded as %25`);
    }
  };
  const host = url.searchParams.get('host') ?? part('host', url.hostname).replace(/^\[|\]$/g, '');
  const database = part('database', url.pathname.slice(1));
  const user = part('user', url.username);
  if (host === '') throw refuse('it names no host');
  if (user === '') throw refuse('it names no user');
  if (database === '' || database.includes('/')) throw refuse('it names no database');
  const place = { host, port: url.port === '' ? 5432 : Number(url.port), database, user };
  return Object.defineProperty(place, 'password', {
    value: part('password', url.password),
    enumerable: false,
  }) as EnginePlace;
}

/** On this machine, where nobody between can listen: a Unix socket or a loopback address. */
export function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
