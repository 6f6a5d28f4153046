/**
 * `admin.tokens-file`: a YAML list of who may use the admin API. The file holds digests, never tokens:
 *
 *     - { name: night-shift, role: operator, token-sha256: 9f86d081884c7d65… }
 *
 * A token is made with `openssl rand -base64 32` and its digest with `printf %s TOKEN | sha256sum`.
 */
import { z } from 'zod';
import { ROLES } from '../audit/roles.ts';
import { type Checked, check } from '../settings/problems.ts';
import { type ConfigProblem, type ConfigSource, YamlSource } from '../settings/yaml-source.ts';
import type { TokenEntry } from './config.ts';

export const tokensSchema = z
  .array(
    z.strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'must be 1–64 letters, digits, dots, dashes, _ or @')
        .describe('Who uses the token; appears in the log and the audit trail.'),
      role: z.enum(ROLES).describe('What the token may do.'),
      'token-sha256': z
        .string()
        .regex(/^[0-9a-f]{64}$/i, 'must be a SHA-256 digest: 64 hexadecimal digits')
        .describe('SHA-256 of the token, in hexadecimal.'),
    }),
  )
  .max(1000);

/** The entries of the file's text, or what is wrong with it. `file` is how the file is called in problems. */
export function parseTokens(text: string, file: string): Checked<TokenEntry[]> {
  const source = new YamlSource(text, file);
  if (source.problems.length > 0) return { problems: [...source.problems] };
  const checked = check(tokensSchema, text.trim() === '' ? [] : source.value, source, []);
  if (checked.problems) return { problems: checked.problems };
  const tokens = checked.data.map((entry) => ({
    name: entry.name,
    role: entry.role,
    sha256: entry['token-sha256'].toLowerCase(),
  }));
  const problems = duplicates(tokens, source);
  return problems.length > 0 ? { problems } : { data: tokens };
}

function duplicates(tokens: readonly TokenEntry[], source: ConfigSource): ConfigProblem[] {
  return tokens.flatMap((token, index) => {
    const earlier = tokens.slice(0, index);
    const problems: ConfigProblem[] = [];
    if (earlier.some(({ name }) => name === token.name))
      problems.push(source.problem([index, 'name'], 'is taken by an entry above'));
    if (earlier.some(({ sha256 }) => sha256 === token.sha256)) {
      problems.push(
        source.problem([index, 'token-sha256'], 'is the token of an entry above: who used it could not be told'),
      );
    }
    return problems;
  });
}
