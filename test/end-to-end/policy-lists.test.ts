/** Policy lists in force in the whole server: nsd and unbound behind it, BIND as the vendor's primary, dig in front. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startBindPrimary } from '../lists/bind-primary.ts';
import { KEY } from '../lists/primary.ts';
import { NEXT_REVIEW } from '../support/dates.ts';
import { ensurePackages, findProgram } from '../support/debian.ts';
import { askTcp, askUdp, dataOf } from '../support/dns-client.ts';
import { dig, type Field, sekisho, startField } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
ensurePackages(['dig', 'named', 'nsd', 'unbound']);
const keep = stoppedAfterwards();
/** Long, for a machine that is busy with other things: nothing here is about how fast it is. */
const eventually = <T>(what: string, look: () => T | false | undefined | Promise<T | false | undefined>): Promise<T> =>
  waitFor(what, look, 30_000);
const folder = temporaryFolder('policy-lists');
const NXDOMAIN = 3;

const ground = {
  kind: 'legitimate-business',
  purpose: 'keeps the network running',
  necessity: 'nothing milder helps',
  proportionality: 'single names only',
  approver: 'K. Sato',
  review: NEXT_REVIEW,
};

const soa = '$TTL 60\n@ SOA ns.rpz.test. hostmaster.rpz.test. 7 3600 600 86400 30\n@ NS ns.rpz.test.\n';
const OWN = `${soa}
www.field.test CNAME .
*.pool.field.test CNAME *.
ok.pool.field.test CNAME rpz-passthru.
victim.field.test A 192.0.2.250
victim.field.test TXT "moved"
chain.field.test CNAME under.victim.field.test.
32.2.2.0.192.rpz-ip CNAME .
32.9.0.0.127.rpz-client-ip CNAME rpz-drop.
many.field.test CNAME rpz-tcp-only.
`;

let field: Field;
let server: SekishoServer;
const ask = (name: string, type = 'A', from = '127.0.0.1') => askUdp({ name, type }, { port: server.port, from });

beforeAll(async () => {
  field = keep(await startField());
  writeFileSync(join(folder, 'own.rpz'), OWN);
  writeFileSync(join(folder, 'watch.txt'), 'below.empty.field.test\nalias.field.test\n');
  server = keep(
    await startSekisho({
      config: {
        server: { workers: 2 },
        upstream: { servers: [`127.0.0.1:${field.unbound.port}`] },
        lists: [
          { name: 'own', category: 'policy', format: 'rpz', zone: 'rpz.test', file: join(folder, 'own.rpz'), ground },
          {
            name: 'watch',
            category: 'policy',
            format: 'domains',
            file: join(folder, 'watch.txt'),
            override: 'nxdomain',
            'dry-run': true,
            ground,
          },
          { name: 'c2', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'watch.txt') },
        ],
      },
    }),
  );
});

describe('a policy zone', () => {
  it('is in force from the first query on, over UDP and TCP, with its SOA for the clients to keep the answer by', async () => {
    for (const send of [askUdp, askTcp]) {
      const reply = await send({ name: 'WWW.field.test' }, { port: server.port });
      expect(reply.rcode).toBe(NXDOMAIN);
      expect(reply.authorities.map(({ name, type }) => [name, type])).toEqual([['rpz.test', 'SOA']]);
    }
    const text = await dig('dig', `@127.0.0.1 -p ${server.port} www.field.test`);
    expect(text).toContain('EDE: 15 (Blocked)');
    expect(text).toMatch(/^rpz\.test\.\s+30\s+IN\s+SOA\s+ns\.rpz\.test\. hostmaster\.rpz\.test\. 7 /m);
  });

  it('answers NODATA below a wildcard, but lets an exception pass', async () => {
    const nodata = await ask('any.pool.field.test');
    expect([nodata.rcode, nodata.answers.length]).toEqual([0, 0]);
    expect(dataOf((await ask('ok.pool.field.test')).answers, 'A')).toEqual(['192.0.2.9']);
  });

  it('gives local data of the type asked for', async () => {
    expect(dataOf((await ask('victim.field.test')).answers, 'A')).toEqual(['192.0.2.250']);
    expect((await ask('victim.field.test', 'AAAA')).answers).toEqual([]);
  });

  it('decides about a name in the chain of CNAMEs, and about an address at its end', async () => {
    const chained = await ask('alias.field.test');
    expect(chained.answers.map(({ name, type }) => [name, type])).toEqual([
      ['alias.field.test', 'CNAME'],
      ['chain.field.test', 'CNAME'],
      ['under.victim.field.test', 'A'],
    ]);
    expect(dataOf(chained.answers, 'A')).toEqual(['192.0.2.67']);
    expect((await ask('below.empty.field.test')).rcode).toBe(NXDOMAIN);
  });

  it('drops a client, and sends another over to TCP', async () => {
    const dropped = askUdp(
      { name: 'field.test', type: 'SOA' },
      { port: server.port, from: '127.0.0.9', timeoutMs: 1_000 },
    );
    await expect(dropped).rejects.toThrow(/no (answer|reply)|time/i);
    const udp = await ask('many.field.test');
    expect([udp.tc, udp.answers.length]).toEqual([true, 0]);
    const tcp = await askTcp({ name: 'many.field.test' }, { port: server.port });
    expect([tcp.rcode, tcp.answers.length]).toEqual([0, 60]);
  });

  it('leaves the truth in the cache: a rule lifted is gone at once', async () => {
    writeFileSync(join(folder, 'own.rpz'), OWN.replace('www.field.test CNAME .', 'x.test CNAME .'));
    await eventually('the rule to be lifted', async () => (await ask('www.field.test')).rcode === 0);
    expect(dataOf((await ask('www.field.test')).answers, 'A')).toEqual(['192.0.2.1']);
    writeFileSync(join(folder, 'own.rpz'), OWN);
    await eventually('the rule to be back', async () => (await ask('www.field.test')).rcode === NXDOMAIN);
  });

  it('counts hits by list, trigger and action, in a dry run too', async () => {
    const page = await scrape(server);
    const hits = (labels: Record<string, string>) => page.total('sekisho_rpz_hits_total', labels);
    expect(hits({ list: 'own', trigger: 'qname', action: 'nxdomain' })).toBeGreaterThan(3);
    expect(hits({ list: 'own', trigger: 'client-ip', action: 'drop' })).toBeGreaterThan(0);
    expect(hits({ list: 'watch', dry_run: 'true' })).toBeGreaterThan(0);
    // Nobody's consent is known here: lists that act on it are not looked into.
    expect(page.text).not.toMatch(/sekisho_rpz_hits_total\{[^}]*list="c2"/);
  });

  it('says in explain which list, line, rule and ground decide, and why a rule does not', async () => {
    const text = await explain('www.field.test');
    expect(text).toMatch(/own\s+policy\s+qname\s+www\.field\.test\s+5\s/);
    expect(text).toContain('正当業務行為');
    expect(text).toContain('K. Sato');
    const watched = await explain('below.empty.field.test');
    expect(watched).toMatch(/watch\s+policy\s+qname\s+below\.empty\.field\.test\s+1\s.*dry run/);
    expect(watched).toMatch(/c2\s+c2, confirmed\s+qname\s+below\.empty\.field\.test\s+1\s+nothing acts on it/);
  });

  async function explain(name: string): Promise<string> {
    const words = ['explain', name, '--client', '127.0.0.1', '--config', server.configFile];
    const { code, stdout, stderr } = await sekisho(words);
    expect(code, stderr).toBe(0);
    return stdout;
  }
});

describe.skipIf(findProgram('named') === undefined)('a zone of a vendor, transferred and notified', () => {
  it('blocks what the vendor adds as soon as NOTIFY says so, and loses no query meanwhile', async () => {
    const notifyPort = await freePort();
    const primary = keep(
      await startBindPrimary({
        zone: { name: 'rpz.test', text: `${soa}ns A 127.0.0.1\nbad.example CNAME .\n` },
        key: KEY,
        notifyPort,
      }),
    );
    writeFileSync(join(folder, 'keys'), `${KEY.name}:${KEY.algorithm}:${KEY.secret}\n`);
    const transferring = keep(
      await startSekisho({
        config: {
          server: { workers: 2 },
          upstream: { servers: [`127.0.0.1:${field.unbound.port}`] },
          transfer: { notify: `127.0.0.1:${notifyPort}`, 'keys-file': join(folder, 'keys') },
          lists: [
            {
              name: 'vendor',
              category: 'policy',
              format: 'rpz',
              url: `axfr://127.0.0.1:${primary.port}/rpz.test?key=${KEY.name}`,
              ground,
            },
          ],
        },
      }),
    );
    await eventually('the zone', () => logOf(transferring).some(({ msg }) => msg === 'list in force'));
    expect(dataOf((await askUdp({ name: 'www.field.test' }, { port: transferring.port })).answers, 'A')).toEqual([
      '192.0.2.1',
    ]);
    primary.update(['add www.field.test.rpz.test. 60 CNAME .']);
    // Asked without a pause, over both workers: an answer that did not come would reject.
    await eventually('the block', async () => {
      const replies = await Promise.all(
        Array.from({ length: 8 }, () => askUdp({ name: 'www.field.test' }, { port: transferring.port })),
      );
      return replies.every(({ rcode }) => rcode === NXDOMAIN);
    });
  });
});
