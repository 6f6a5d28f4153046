/**
 * `server.cookies.secret-file`: the secrets of DNS cookies that the servers of a fleet share, one of 32 hexadecimal digits
 * a line; `#` begins a comment. The first makes cookies, all of them are accepted.
 */

import type { Checked } from '../settings/problems.ts';
import type { ConfigProblem } from '../settings/yaml-source.ts';
import { COOKIE_SECRET_BYTES, MAX_COOKIE_SECRETS } from '../wire/server-cookies.ts';

const SECRET = new RegExp(`^[0-9a-f]{${2 * COOKIE_SECRET_BYTES}}$`);

/** The secrets of the file's text in lower-case hexadecimal, or what is wrong with it; no problem quotes a secret. */
export function parseCookieSecrets(text: string, file: string): Checked<string[]> {
  const secrets: string[] = [];
  const problems: ConfigProblem[] = [];
  text.split(/\r?\n/).forEach((whole, i) => {
    const line = whole.replace(/#.*$/, '').trim().toLowerCase();
    if (line === '') return;
    const complain = (message: string) => problems.push({ file, line: i + 1, column: 1, path: '', message });
    if (!SECRET.test(line)) complain(`expected ${2 * COOKIE_SECRET_BYTES} hexadecimal digits (openssl rand -hex 16)`);
    else if (secrets.includes(line)) complain('the same secret stands above');
    else secrets.push(line);
  });
  if (problems.length === 0 && (secrets.length === 0 || secrets.length > MAX_COOKIE_SECRETS)) {
    const message = `holds ${secrets.length} secrets: 1–${MAX_COOKIE_SECRETS} are possible`;
    problems.push({ file, line: 1, column: 1, path: '', message });
  }
  return problems.length > 0 ? { problems } : { data: secrets };
}
