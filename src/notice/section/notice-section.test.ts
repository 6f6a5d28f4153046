import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../test/support/process.ts';
import { parseConfig } from '../../config/load.ts';
import { resolvePlugin } from '../../loading/plugins.ts';
import { problemText } from '../../settings/yaml-source.ts';

const folder = temporaryFolder('notice-section');
const found = { source: 'x.yaml', file: join(folder, 'x.yaml'), baseFolder: folder };
const options = { resolvePlugin, systemResolvers: () => ['192.0.2.53'] };

async function problemsOf(text: string): Promise<string[]> {
  const result = await parseConfig(text, found, options);
  return result.ok ? [] : result.problems.map(problemText);
}

async function noticeOf(text: string) {
  const result = await parseConfig(text, found, options);
  if (!result.ok) throw new Error(result.problems.map(problemText).join('\n'));
  return { notice: result.config.notice, warnings: result.config.warnings };
}

describe('notice', () => {
  it('is as the design has it', async () => {
    const { notice, warnings } = await noticeOf(
      'notice: { listen: "127.0.0.1:8080", ipv4: 127.0.0.1, languages: [ja, en] }\n',
    );
    expect(notice).toMatchObject({ listen: [{ address: '127.0.0.1', port: 8080 }], ipv4: '127.0.0.1' });
    expect(notice.listenIsDefault).toBe(false);
    expect(notice.portal).toMatchObject({ url: 'http://127.0.0.1:8080/', hosts: ['127.0.0.1', 'localhost'] });
    expect(warnings).toEqual([]);
  });

  it('listens at several addresses, or nowhere', async () => {
    const both = await noticeOf(
      'notice: { listen: ["0.0.0.0:80", "[::]:80"], ipv4: 192.0.2.80, ipv6: "2001:DB8::80" }\n',
    );
    expect(both.notice.listen).toHaveLength(2);
    expect(both.notice.portal).toMatchObject({ url: 'http://192.0.2.80/', hosts: ['192.0.2.80', '[2001:db8::80]'] });
    expect((await noticeOf('notice: { listen: off }\n')).notice.listen).toEqual([]);
  });

  it('says what is allowed and dangerous', async () => {
    writeFileSync(join(folder, 'secret'), 's'.repeat(40), { mode: 0o600 });
    const { warnings } = await noticeOf(
      'notice:\n  ipv4: 192.0.2.80\n  portal:\n    url: http://optout.isp.example\n    link: { secret-file: secret, issuer: member }\n',
    );
    expect(warnings).toEqual([
      expect.stringMatching(
        /^x\.yaml:2:3: notice\.listen: blocked names lead to 192\.0\.2\.80, but the page listens on loopback/,
      ),
      expect.stringMatching(
        /^x\.yaml:4:10: notice\.portal\.url: signed links and sessions cross the network unencrypted/,
      ),
    ]);
  });

  it.each([
    ['notice:\n  listen: 8080\n', /^x\.yaml:2:11: notice\.listen: /],
    ['notice:\n  listen: "127.0.0.1"\n', /^x\.yaml:2:11: notice\.listen: '127\.0\.0\.1' has no port/],
    ['notice:\n  listen: ["127.0.0.1:80", "127.0.0.1:80"]\n', /^x\.yaml:2:28: notice\.listen\[1\]: .* is listed twice/],
    ['notice:\n  listen: "127.0.0.1:8053"\n', /^x\.yaml:2:11: notice\.listen: is taken by admin\.listen \(TCP\)/],
    ['notice:\n  listen: "127.0.0.1:5353"\n', /is taken by server\.listen/],
    ['notice: { ipv4: "::1" }\n', /^x\.yaml:1:17: notice\.ipv4: expected an IPv4 address/],
    ['notice: { ipv6: 192.0.2.1 }\n', /notice\.ipv6: '192\.0\.2\.1' is not an IPv6 address/],
    ['notice: { languages: [ja, fr] }\n', /^x\.yaml:1:27: notice\.languages\[1\]: expected 'ja' or 'en', found 'fr'/],
    ['notice: { languages: [ja, ja] }\n', /ja is listed twice/],
    ['notice: { languages: [] }\n', /at least 1 entry/],
    ['notice: { templates: ./none }\n', /none: there is no such folder/],
    ['notice: { operator: { contact: "javascript:alert(1)" } }\n', /notice\.operator\.contact: write a URI/],
    ['notice: { portal: { url: "ftp://isp.example/" } }\n', /notice\.portal\.url: write http:\/\/HOST\//],
    ['notice: { portal: { url: "https://isp.example/optout" } }\n', /without a path/],
    ['notice: { portal: { url: "https://user:pw@isp.example/" } }\n', /notice\.portal\.url: write/],
    ['notice: { portal: { line: false } }\n', /false needs portal\.link/],
    ['notice: { portal: { link: { issuer: x } } }\n', /needs a key to verify links with/],
    [
      'notice: { portal: { link: { issuer: x, secret-file: nothing } } }\n',
      /portal\.link\.secret-file: '.*nothing' cannot be read/,
    ],
    ['notice: { portal: { link: { issuer: x, secret-file: secret, max-age: 1d } } }\n', /max-age/],
    ['notice: { proxies: ["0.0.0.0/0"] }\n', /would let every visitor say who it is/],
    ['notice: { proxies: [proxy.isp.example] }\n', /^x\.yaml:1:21: notice\.proxies\[0\]: /],
    ['notice: { listne: x }\n', /notice\.listne: unknown key; did you mean 'listen'\?/],
    ['plugins: { c2-block: { action: notice } }\n', /plugins\.c2-block\.action: notice needs an address/],
  ])('refuses %j', async (text, message) => {
    expect((await problemsOf(text)).join('\n')).toMatch(message);
  });

  it.each(['templates: ./none', 'portal: { link: { issuer: x, secret-file: nothing } }'])(
    'complains of %s alone, and not of a plugin that needs the section',
    async (wrong) => {
      const text = `notice: { ipv4: 192.0.2.80, ${wrong} }\nplugins: { c2-block: { action: notice } }\n`;
      expect(await problemsOf(text)).toHaveLength(1);
    },
  );
});
