import { expect, it } from 'vitest';
import { parseKeys } from './tsig-key.ts';

const SECRET = 'MDEyMzQ1Njc4OWFiY2RlZg==';

it('reads name:algorithm:base64, one a line', () => {
  const keys = parseKeys(`# comment\n\nFeed.Vendor.example.:HMAC-SHA256:${SECRET}\r\nother:hmac-sha512:${SECRET}\n`);
  expect([...keys.keys()]).toEqual(['feed.vendor.example', 'other']);
  expect(keys.get('feed.vendor.example')).toEqual({
    name: 'feed.vendor.example',
    algorithm: 'hmac-sha256',
    secret: new TextEncoder().encode('0123456789abcdef'),
  });
});

it('reads what tsig-keygen writes, comments included', () => {
  const text = `// made by tsig-keygen\nkey "feed" {\n\talgorithm hmac-sha256; # as agreed\n\tsecret "${SECRET}";\n};\n/* key old { } */\nkey two { secret ${SECRET}; algorithm "hmac-sha512"; };`;
  expect([...parseKeys(text).values()].map((key) => [key.name, key.algorithm])).toEqual([
    ['feed', 'hmac-sha256'],
    ['two', 'hmac-sha512'],
  ]);
});

it('says what is wrong and never shows the secret', () => {
  const message = (text: string): string => {
    try {
      parseKeys(text);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };
  expect(message('')).toMatch(/holds no key/);
  expect(message('name:hmac-sha256')).toMatch(/line 1 is not of the form/);
  expect(message(`name:hmac-md5:${SECRET}`)).toMatch(/one of hmac-sha256.*not 'hmac-md5'/);
  expect(message('\nname:hmac-sha256:$ecret-of-ours')).toBe('line 2: the secret is not base64');
  expect(message('name:hmac-sha256:c2hvcnQ=')).toMatch(/5 bytes is too short/);
  expect(message(`a..b:hmac-sha256:${SECRET}`)).toMatch(/empty label/);
  expect(message(`a:hmac-sha256:${SECRET}\nA.:hmac-sha256:${SECRET}`)).toMatch(/'a' is there twice/);
  expect(message(`key a { secret "${SECRET}"; };`)).toMatch(/key 'a' has no algorithm/);
});
