import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/process.ts';
import type { LinkConfig } from './notice-config.ts';
import { loadLinkKey, SignedLinks, UsedLinks } from './signed-links.ts';
import { Tickets } from './tickets.ts';

const NOW = Date.UTC(2026, 10, 25);
const seconds = Math.floor(NOW / 1000);

function configOf(kind: 'secret' | 'jwks', content: string): LinkConfig {
  const file = join(temporaryFolder('link'), 'key');
  writeFileSync(file, content);
  return { key: { kind, file }, issuer: 'member', audience: 'portal', claim: 'contract', maxAgeMs: 300_000 };
}

const claims = { contract: '4711', jti: 'a', iss: 'member', aud: 'portal', iat: seconds, exp: seconds + 60 };

test('a link that the member site signed with its private key is taken, and one that uses the public key as a secret is not', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  const config = configOf('jwks', JSON.stringify({ keys: [{ ...jwk, kid: '2026', alg: 'ES256' }] }));
  const key = await loadLinkKey(config.key);
  if (typeof key === 'string') throw new Error(key);
  const links = new SignedLinks(config, key, new UsedLinks(NOW));
  const good = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: '2026' }).sign(privateKey);
  expect(await links.redeem(good, NOW)).toEqual({ subscriber: '4711' });
  expect(await links.redeem(good, NOW)).toEqual({ fault: 'link-used' });
  const confused = await new SignJWT({ ...claims, jti: 'b' })
    .setProtectedHeader({ alg: 'HS256', kid: '2026' })
    .sign(Buffer.from(JSON.stringify(jwk)));
  expect(await links.redeem(confused, NOW)).toEqual({ fault: 'link-forged' });
});

test.each([
  ['secret', 'short', /fewer than 32/],
  ['jwks', '{}', /no set of keys/],
  ['jwks', 'x', /no set of keys/],
  ['jwks', '{"keys":[]}', /holds no key/],
  ['jwks', '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', /secret or private/],
  ['jwks', '{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}', /secret or private/],
] as const)('a key file of kind %s with %s is refused', async (kind, content, message) => {
  const problem = await loadLinkKey(configOf(kind, content).key);
  expect(problem).toMatch(message);
  expect(problem).not.toContain('c2VjcmV0');
});

test('a link from before the process started is refused: nobody knows whether it was used', async () => {
  const config = configOf('secret', 's'.repeat(40));
  const key = await loadLinkKey(config.key);
  if (typeof key === 'string') throw new Error(key);
  const sign = (more: object) =>
    new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from('s'.repeat(40)));
  const links = new SignedLinks(config, key, new UsedLinks(NOW + 10_000));
  expect(await links.redeem(await sign({}), NOW + 11_000)).toEqual({ fault: 'link-expired' });
  // And one from the future.
  expect(await links.redeem(await sign({ iat: seconds + 100, exp: seconds + 160 }), NOW + 11_000)).toEqual({
    fault: 'link-expired',
  });
});

test('used links are remembered until they expire, and no longer', () => {
  const used = new UsedLinks(NOW);
  for (let i = 0; i < 50_000; i++) expect(used.use(`${i}`, seconds + 60, seconds)).toBe(true);
  expect(used.use('one more', seconds + 60, seconds)).toBeUndefined();
  expect(used.use('7', seconds + 60, seconds + 30)).toBe(false);
  expect(used.use('one more', seconds + 200, seconds + 100)).toBe(true);
});

test('a ticket is good for one subscriber, line and browser, for its time and for its use', async () => {
  const tickets = new Tickets();
  const who = { subscriber: '4711', by: 'line', binding: '192.0.2.7/128' } as const;
  const form = await tickets.form(who, 'browser', NOW);
  expect(await tickets.formFault(form, who, 'browser', NOW + 60_000)).toBeUndefined();
  expect(await tickets.formFault(form, who, 'another', NOW)).toBe('form-forged');
  expect(await tickets.formFault(form, who, undefined, NOW)).toBe('form-forged');
  expect(await tickets.formFault(form, { ...who, subscriber: '4712' }, 'browser', NOW)).toBe('line-changed');
  expect(await tickets.formFault(form, { ...who, binding: '192.0.2.8/128' }, 'browser', NOW)).toBe('line-changed');
  expect(await tickets.formFault(form, { ...who, by: 'link' }, 'browser', NOW)).toBe('line-changed');
  expect(await tickets.formFault(form, who, 'browser', NOW + 31 * 60_000)).toBe('form-expired');
  expect(await new Tickets().formFault(form, who, 'browser', NOW)).toBe('form-forged');
  expect(await tickets.readSession(form, NOW)).toBeUndefined();
  const session = await tickets.session('4711', NOW);
  expect(await tickets.readSession(session, NOW)).toMatchObject({ subscriber: '4711', by: 'link' });
  expect(await tickets.readSession(session, NOW + 16 * 60_000)).toBeUndefined();
  expect(await tickets.formFault(session, who, 'browser', NOW)).toBe('form-forged');
});

test('while the time is in doubt no link is taken, and those from before it was known never are', async () => {
  const secret = 'a secret of the member site, long enough';
  const config = configOf('secret', secret);
  const key = await loadLinkKey(config.key);
  if (typeof key === 'string') throw new Error(key);
  const uses: number[] = [];
  const links = new SignedLinks(config, key, new UsedLinks(Number.POSITIVE_INFINITY, () => void uses.push(1)));
  const sign = (jti: string, iat: number) =>
    new SignJWT({ ...claims, jti, iat, exp: iat + 60 }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret));
  const before = await sign('before', seconds - 10);
  expect(await links.redeem(before, Number.POSITIVE_INFINITY)).toEqual({ fault: 'link-expired' });
  // Perhaps it was used before the server started: nobody knows.
  expect(await links.redeem(before, NOW)).toEqual({ fault: 'link-expired' });
  expect(await links.redeem(await sign('after', seconds + 1), NOW + 1000)).toEqual({ subscriber: '4711' });
  // The use is told, so that the time of it is kept.
  expect(uses).toEqual([1]);
});

test('where the time is set back, links that had ended do not hold again', async () => {
  const used = new UsedLinks(NOW + 1_000_000);
  expect(used.use('a', seconds, seconds)).toBe(true);
  used.beginAnew();
  used.timeKnown(seconds);
  expect(used.sinceSeconds).toBe(seconds);
  expect(used.use('a', seconds, seconds)).toBe(false);
});
