/** Programs that people use, over encrypted transports: Chromium's secure DNS, and Stubby in front of everything else. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { answers } from '../support/ask.ts';
import { makeCertificate, pinOf, type TestCertificate } from '../support/certificates.ts';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { freePort } from '../support/free-port.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { startProcess, temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const missing = ensurePackages(['stubby', 'chromium', 'openssl']);
const keep = stoppedAfterwards();
const folder = temporaryFolder('encrypted-clients');

let shown: TestCertificate;
let upstream: ScriptedUpstream;
let server: SekishoServer;
let tls: number;
let https: number;

beforeAll(async () => {
  expect([...missing]).toEqual([]);
  shown = makeCertificate(folder, 'shown');
  upstream = keep(await startScriptedUpstream(honest('127.0.0.1')));
  [tls, https] = [await freePort(), await freePort()];
  const { certificate, key } = shown;
  server = keep(
    await startSekisho({
      config: {
        server: {
          listen: [
            `127.0.0.1:${await freePort()}`,
            { address: `127.0.0.1:${tls}`, transport: 'tls', certificate, key },
            { address: `127.0.0.1:${https}`, transport: 'https', certificate, key },
          ],
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '4MiB' },
        // Who comes over TLS is told by the listener as over anything else.
        views: [{ name: 'private', listeners: [`127.0.0.1:${tls}`], cache: { 'max-ttl': '77s' } }],
      },
    }),
  );
});

describe('Stubby', () => {
  it('asks over TLS whom it knows by name and pin, and gets the answers of that listener’s view', async () => {
    const port = await freePort();
    const file = join(folder, 'stubby.yml');
    writeFileSync(
      file,
      `resolution_type: GETDNS_RESOLUTION_STUB
dns_transport_list:
  - GETDNS_TRANSPORT_TLS
tls_authentication: GETDNS_AUTHENTICATION_REQUIRED
tls_query_padding_blocksize: 128
idle_timeout: 5000
appdata_dir: "${folder}"
listen_addresses:
  - 127.0.0.1@${port}
upstream_recursive_servers:
  - address_data: 127.0.0.1
    tls_port: ${tls}
    tls_auth_name: "dns.example.test"
    tls_pubkey_pinset:
      - digest: "sha256"
        value: ${pinOf(shown)}
`,
    );
    keep(
      await startProcess({
        name: 'stubby',
        command: requireProgram('stubby'),
        args: ['-C', file],
        env: { SSL_CERT_FILE: shown.certificate },
        ready: () => answers(port, 'ready.stubby.test'),
      }),
    );
    const names = Array.from({ length: 20 }, (_, i) => `host${i}.stubby.test`);
    for (const reply of await Promise.all(names.map((name) => askUdp({ name, type: 'A' }, { port })))) {
      expect([reply.rcode, reply.extendedErrors, dataOf(reply.answers, 'A')]).toEqual([0, [], ['127.0.0.1']]);
      expect(reply.answers[0]).toMatchObject({ ttl: 77 });
    }
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_queries_total', { transport: 'tls' })).toBeGreaterThanOrEqual(20);
    expect(metrics.total('sekisho_view_queries_total', { view: 'private' })).toBeGreaterThanOrEqual(20);
  });
});

describe('Chromium', () => {
  it('finds a page with secure DNS, and asks nobody else for it', async () => {
    const page = createServer((_request, response) => response.end('<title>found</title>'));
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    keep({ close: () => void page.close() });
    const profile = join(folder, 'profile');
    mkdirSync(profile);
    const template = `https://127.0.0.1:${https}/dns-query{?dns}`;
    writeFileSync(
      join(profile, 'Local State'),
      JSON.stringify({ dns_over_https: { mode: 'secure', templates: template } }),
    );
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: requireProgram('chromium'),
      args: ['--no-sandbox', '--disable-gpu', '--enable-features=AsyncDns', '--ignore-certificate-errors'],
    });
    keep({ close: () => browser.close() });
    const { port } = page.address() as AddressInfo;
    const tab = await browser.newPage();
    await tab.goto(`http://page.chromium.test:${port}/`);
    expect(await tab.title()).toBe('found');
    const asked = upstream.queries.filter(({ name }) => name === 'page.chromium.test').map(({ type }) => type);
    expect(asked).toContain('A');
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_queries_total', { transport: 'https' })).toBeGreaterThan(0);
    expect(metrics.total('sekisho_queries_total', { transport: 'udp' })).toBe(0);
  });
});
