/** What a DNS cookie costs (src/wire/server-cookies.ts): verifying a good one, finding a bad one, making a first one. */
import { Query } from '../../src/wire/query.ts';
import { ServerCookies } from '../../src/wire/server-cookies.ts';
import { type Case, compare } from './timing.ts';

const SECRETS = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
const WALL_MS = 1_760_000_000_000;
const one = new ServerCookies(SECRETS.slice(0, 1), () => WALL_MS);
const two = new ServerCookies(SECRETS, () => WALL_MS);

function queryWith(bytes: Uint8Array): Query {
  const query = new Query();
  query.reset();
  query.clientWords.set([0, 0, 0xffff, 0x7f000001]);
  query.message = bytes;
  query.cookieLength = bytes.length;
  return query;
}

const first = queryWith(new Uint8Array(8).fill(7));
one.examine(first);
const good = first.cookieReply.slice();
const bad = good.slice();
bad[23]! ^= 1;

function examining(name: string, cookies: ServerCookies, bytes: Uint8Array): Case {
  const query = queryWith(bytes);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        query.verified = false;
        cookies.examine(query);
        sum += query.cookie + query.cookieReply[23]!;
      }
      return sum;
    },
  };
}

compare('wire/server-cookies.ts', [
  examining('good, one secret', one, good),
  examining('good under the second of two secrets, made anew', two, secondSecretCookie()),
  examining('bad, made anew', one, bad),
  examining('client cookie alone', one, bad.slice(0, 8)),
]);

function secondSecretCookie(): Uint8Array {
  const query = queryWith(new Uint8Array(8).fill(7));
  new ServerCookies(SECRETS.slice(1), () => WALL_MS).examine(query);
  return query.cookieReply.slice();
}
