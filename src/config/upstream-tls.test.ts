import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolvePlugin } from '../loading/plugins.ts';
import { problemText } from '../settings/yaml-source.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-upstream-tls-'));
const PIN = `${'A'.repeat(43)}=`;
writeFileSync(join(folder, 'none.pem'), 'nothing\n');
writeFileSync(join(folder, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');

async function load(text: string) {
  const path = join(folder, 'x.yaml');
  writeFileSync(path, text);
  return loadConfig({ path, resolvePlugin });
}
const servers = (tls: string, address = '192.0.2.1') =>
  load(`upstream:\n  servers:\n    - { address: "${address}", tls: ${tls} }\n`);

describe('tls of an upstream', () => {
  it('strict: the port of TLS is the port', async () => {
    const result = await servers('{ mode: strict, name: dns.example.net }');
    expect(result.ok && result.config.upstream.servers).toMatchObject([
      { address: '192.0.2.1', port: 853, tls: { mode: 'strict', port: 853, name: 'dns.example.net' } },
    ]);
  });

  it('opportunistic: the port of the clear stays', async () => {
    const result = await servers('{ mode: opportunistic, port: 8853 }', '192.0.2.1:5300');
    expect(result.ok && result.config.upstream.servers).toMatchObject([{ port: 5300, tls: { port: 8853 } }]);
  });

  it.each([
    ['{ mode: strict }', 'mode: strict needs `name` or `pins`: it has to know whom it speaks to'],
    [`{ mode: opportunistic, pins: ["${PIN}"] }`, 'mode: opportunistic checks nobody'],
    ['{ mode: strict, pins: [abc] }', 'pins[0]: is no SHA-256 in base64'],
    ['{ mode: strict, name: "a..b" }', 'name: is neither a domain name nor an address'],
    ['{ mode: strikt, name: a.example }', 'mode:'],
  ])('%s: file, line and what to do', async (tls, message) => {
    const result = await servers(tls);
    const [problem] = result.ok ? [] : result.problems;
    expect(problemText(problem!)).toMatch(/x\.yaml:3:\d+: upstream\.servers\[0\]\.tls\./);
    expect(problemText(problem!)).toContain(message);
  });

  it.each([
    ['missing.pem', 'cannot be read: no such file'],
    ['none.pem', 'holds no certificate in PEM'],
    ['broken.pem', 'holds certificate 1 of 1, which cannot be read'],
  ])('ca-file: %s %s', async (file, message) => {
    const result = await load(`upstream:\n  servers: [192.0.2.1]\n  ca-file: ${file}\n`);
    expect(result.ok ? [] : result.problems.map(problemText)).toEqual([
      expect.stringMatching(new RegExp(`x\\.yaml:3:\\d+: upstream\\.ca-file: '${file}' ${message}`)),
    ]);
  });
});
