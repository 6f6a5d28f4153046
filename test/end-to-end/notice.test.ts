/** The notice page and the opt-out portal, in the whole server: real queries, real HTTP, real ledger. */
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import type { ConsentExport } from '../../src/subscribers/consent/routes.ts';
import { askUdp } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { formOf, Visitor } from '../support/visitor.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

const CONTRACT = '127.0.0.11';
const OTHER = '127.0.0.12';
const GROUP = '127.0.0.13';
const STRANGER = '127.0.0.15';
const LEASED = '127.0.0.16';
const OWN_PORTS = '127.0.0.20';
const OTHERS_PORTS = '127.0.0.21';
const PROXY = '127.0.0.30';
/** Ports that this machine gives to connections lie above the first block and inside the second. */
const RANGES = `${CONTRACT},4711
${OTHER},4712
${GROUP},@home
${OWN_PORTS}:0-4095,4720
${OWN_PORTS}:4096-65535,4721
${OTHERS_PORTS}:0-1023,4722
${OTHERS_PORTS}:1024-2047,4723
${OTHERS_PORTS},4724
`;
const PORTAL = 'optout.isp.example';
const SECRET = 'a secret of the member site, 32+ characters';
/** In every text that the operator may write. */
const MARKUP = '<b onclick=x>"&\'</b>';

interface Place {
  readonly server: SekishoServer;
  readonly folder: string;
  readonly token: string;
  visitor(from: string): Visitor;
  /** What a query for the name is answered with. */
  resolves(from: string, name?: string): Promise<string>;
  api<Body>(path: string, method?: string, body?: object, token?: string): Promise<{ status: number; body: Body }>;
}

async function start(notice: Record<string, unknown> | null = {}, tokens: string[] = []): Promise<Place> {
  const folder = temporaryFolder('notice');
  writeFileSync(join(folder, 'subscribers.csv'), RANGES);
  writeFileSync(join(folder, 'c2.txt'), 'c2.example\n*.bots.example\n');
  writeFileSync(join(folder, 'malware.txt'), 'spreader.example\n');
  writeFileSync(join(folder, 'link.secret'), `${SECRET}\n`);
  const sha256 = (role: string) => createHash('sha256').update(`token-${role}`).digest('hex');
  writeFileSync(
    join(folder, 'tokens.yaml'),
    stringify(tokens.map((role) => ({ name: role, role, 'token-sha256': sha256(role) }))),
  );
  const list = (name: string, category: string, file: string) => ({
    name,
    category,
    tier: 'confirmed',
    format: 'domains',
    file: join(folder, file),
  });
  const config = {
    server: { data: join(folder, 'data'), workers: 2 },
    upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    cache: { size: '1MiB' },
    admin: { 'tokens-file': join(folder, 'tokens.yaml') },
    subscribers: {
      ranges: join(folder, 'subscribers.csv'),
      terms: '2026-04',
      covers: ['c2', 'malware-warning'],
      groups: [{ name: '@home', covers: ['c2'] }],
      // Leases over the API stand for those of RADIUS here.
      provisioning: { portal: true },
    },
    lists: [list('c2-feed', 'c2', 'c2.txt'), list('spreaders', 'malware', 'malware.txt')],
    plugins: { access: {}, 'c2-block': { action: notice === null ? 'nodata' : 'notice' } },
    notice: notice && {
      ipv4: '127.0.0.1',
      operator: { name: `ISP ${MARKUP}`, contact: 'mailto:help@isp.example' },
      ...notice,
      portal: {
        url: `http://${PORTAL}/`,
        link: { 'secret-file': join(folder, 'link.secret'), issuer: 'https://member.isp.example' },
        ...(notice['portal'] as object | undefined),
      },
    },
  };
  const server = keep(await startSekisho({ config, readyTimeoutMs: 30_000 }));
  const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
  return {
    server,
    folder,
    token,
    visitor: (from) => new Visitor(from, server.noticePort),
    resolves: async (from, name = 'c2.example') => {
      const reply = await askUdp({ name, udpSize: 1232 }, { port: server.port, from });
      const data = reply.answers.map((answer) => String((answer as { data?: unknown }).data));
      return reply.extendedErrors.includes(15)
        ? `blocked: ${data}`
        : reply.rcode === 0 && data.length
          ? 'truth'
          : 'none';
    },
    api: async (path, method = 'GET', body, bearer = token) => {
      const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
        method,
        headers: { authorization: `Bearer ${bearer}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as never };
    },
  };
}

const refusals = async ({ server }: Place, reason: string) =>
  (await scrape(server)).total('sekisho_notice_refused_total', { reason });

/** The page of the portal, and how it is called from a browser of that line. */
async function openPortal(visitor: Visitor, path = '/') {
  const page = await visitor.visit({ host: PORTAL, path });
  return {
    page,
    send: (action: string, headers: Record<string, string> = {}) =>
      visitor.visit({ host: PORTAL, path: '/consent', form: formOf(page.text, action), headers }),
  };
}

describe('the notice page', () => {
  let place: Place;
  beforeAll(async () => {
    place = await start();
  });

  it('is where a blocked name leads, and says what was blocked, why, and what can be done', async () => {
    expect(await place.resolves(CONTRACT)).toBe('blocked: 127.0.0.1');
    const { status, headers, text } = await place.visitor(CONTRACT).visit({ host: 'c2.example' });
    expect(status).toBe(403);
    expect(text).toContain('<html lang="ja">');
    for (const said of ['c2.example', 'C&amp;Cサーバ', 'オプトアウト', '提供条件は一切変わりません', 'href="?lang=en"'])
      expect(text.replaceAll('&#x2F;', '/').replaceAll('&#x3D;', '=').replaceAll('href="/?', 'href="?')).toContain(
        said,
      );
    expect(text).toContain(`http:&#x2F;&#x2F;${PORTAL}&#x2F;?lang&#x3D;ja`);
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['set-cookie']).toBeUndefined();
    expect(headers['content-security-policy']).toMatch(/^default-src 'none';style-src 'sha256-[^']+';img-src data:;/);
    expect(headers['content-security-policy']).toContain("form-action 'none';base-uri 'none';frame-ancestors 'none'");
    // The name's owner may have a script in this origin: nothing of the subscriber stands there.
    expect(text).not.toMatch(/4711|<form|<script/);
  });

  it('speaks the language that the browser prefers, or that was chosen', async () => {
    const visitor = place.visitor(CONTRACT);
    const language = async (accept: string, path = '/') =>
      (await visitor.visit({ host: 'c2.example', path, headers: { 'accept-language': accept } })).headers[
        'content-language'
      ];
    expect(await language('en-GB,en;q=0.9,ja;q=0.8')).toBe('en');
    expect(await language('fr, en;q=0.2, ja;q=0.7')).toBe('ja');
    expect(await language('fr')).toBe('ja');
    expect(await language('en;q=0')).toBe('ja');
    expect(await language('ja', '/?lang=en')).toBe('en');
  });

  it('answers any method and path, below a listed name and with a port', async () => {
    const visitor = place.visitor(CONTRACT);
    for (const method of ['GET', 'POST', 'PUT', 'OPTIONS', 'DELETE', 'PATCH', 'PROPFIND'])
      expect([
        method,
        (await visitor.visit({ host: 'a.bots.example:80', method, path: '/gate.php?x=1' })).status,
      ]).toEqual([method, 403]);
    expect((await visitor.visit({ host: 'c2.example', method: 'HEAD' })).text).toBe('');
    const beacon = { host: 'c2.example', form: { id: 'x'.repeat(100_000) }, path: '/beacon' };
    expect((await visitor.visit(beacon).catch(() => ({ status: 403 }))).status).toBe(403);
  });

  it('warns of sites that spread malware by their own page', async () => {
    const { status, text } = await place.visitor(CONTRACT).visit({ host: 'spreader.example' });
    expect(status).toBe(403);
    expect(text).toContain('注意喚起');
  });

  it('says clearly that a name is not listed, and compares nothing for who is not inspected', async () => {
    const unlisted = await place.visitor(CONTRACT).visit({ host: 'www.other.example' });
    expect(unlisted.status).toBe(421);
    expect(unlisted.text).toContain('リストに掲載されていません');
    const stranger = await place.visitor(STRANGER).visit({ host: 'c2.example' });
    expect(stranger.status).toBe(421);
    expect(stranger.text).toContain('照合を行っていません');
    const page = await scrape(place.server);
    expect(page.total('sekisho_notice_requests_total', { result: 'not-listed' })).toBe(1);
    expect(page.total('sekisho_notice_requests_total', { result: 'not-inspected' })).toBe(1);
    expect(page.total('sekisho_notice_pages_total', { category: 'malware' })).toBe(1);
    expect(page.total('sekisho_notice_pages_total', { category: 'c2' })).toBeGreaterThan(10);
  });

  it('refuses what is no host, and escapes whatever it shows', async () => {
    const visitor = place.visitor(CONTRACT);
    for (const host of ['<script>alert(1)</script>', 'c2.example/x', '"><b>', 'a b', '.'])
      expect([host, (await visitor.visit({ host })).status]).toEqual([host, 400]);
    for (const host of ['c2.example', 'www.other.example', PORTAL, '<i>'])
      for (const path of ['/', '/?lang=<b%20onclick=x>&done="><b%20onclick=x>', '/<b%20onclick=x>']) {
        const { text } = await visitor.visit({ host, path: encodeURI(decodeURI(path)) });
        expect(text).not.toContain('<b ');
        expect(text).toContain('ISP &lt;b onclick');
      }
  });

  it('bounds the connections of an address, and hangs up on what is no HTTP', async () => {
    const sockets = Array.from({ length: 40 }, () =>
      connect({ port: place.server.noticePort, host: '127.0.0.1', localAddress: OTHER }),
    );
    const closed = sockets.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    for (const socket of sockets) socket.on('error', () => {}).resume();
    await waitFor('the limit', async () => (await refusals(place, 'connections')) >= 8);
    // Those that have brought no request for longest made room.
    await Promise.all(closed.slice(0, 8));
    expect(sockets.map(({ closed }) => closed)).toEqual(sockets.map((_, i) => i < 8));
    // Others are served meanwhile.
    expect((await place.visitor(CONTRACT).visit({ host: 'c2.example' })).status).toBe(403);
    const before = await refusals(place, 'bad-request');
    sockets.at(-1)?.write('\x16\x03\x01 this is TLS\r\n\r\n');
    await closed.at(-1);
    expect(await refusals(place, 'bad-request')).toBe(before + 1);
    for (const socket of sockets) socket.destroy();
  });

  it('leaves no address and no name in the log', () => {
    expect(logOf(place.server).length).toBeGreaterThan(3);
    for (const secret of [CONTRACT, STRANGER, 'c2.example', 'other.example', '4711'])
      expect(place.server.stdout()).not.toContain(secret);
  });
});

describe('the portal', () => {
  let place: Place;
  beforeAll(async () => {
    place = await start({ proxies: [`${PROXY}/32`] });
  });

  it('opts out and in with one form, at once, and keeps both in the ledger', async () => {
    const visitor = place.visitor(CONTRACT);
    expect(await place.resolves(CONTRACT)).toBe('blocked: 127.0.0.1');
    const { page, send } = await openPortal(visitor);
    expect(page.status).toBe(200);
    expect(page.text).toContain('利用中（契約約款による同意）');
    expect(page.headers['content-security-policy']).toContain("form-action 'self'");

    const out = await send('opt-out', { 'sec-fetch-site': 'same-origin', origin: `http://${PORTAL}` });
    expect([out.status, out.headers.location]).toEqual([303, '/?done=opt-out&lang=ja']);
    expect(await place.resolves(CONTRACT)).toBe('truth');
    expect((await visitor.visit({ host: 'c2.example' })).status).toBe(421);
    const after = await openPortal(visitor, out.headers.location);
    expect(after.page.text).toContain('同意を撤回しました');
    expect(after.page.text).toContain('利用していない（同意を撤回済み）');

    const back = await after.send('opt-in');
    expect(back.status).toBe(303);
    expect(await place.resolves(CONTRACT)).toBe('blocked: 127.0.0.1');
    const { body } = await place.api<ConsentExport>('/v1/consent/subscribers/4711/export?reason=own+request');
    const said = body.history.filter(({ action }) => action.startsWith('opt-'));
    expect(said.map(({ action, who, channel, terms, reason }) => [action, who, channel, terms, reason])).toEqual([
      ['opt-out', 'subscriber', 'portal', '2026-04', 'recognised by the line'],
      ['opt-in', 'subscriber', 'portal', '2026-04', 'recognised by the line'],
    ]);
    // The looks of a few seconds are one look.
    expect(body.history.filter(({ action }) => action === 'shown')).toHaveLength(1);
  });

  it('shows the dates of blocks, and never a name', async () => {
    const visitor = place.visitor(CONTRACT);
    await place.resolves(CONTRACT, 'deep.bots.example');
    const text = await waitFor('the record of the block', async () => {
      const { page } = await openPortal(visitor);
      return page.text.includes('c2-feed') && page.text;
    });
    expect(text).toMatch(/C&amp;Cサーバ（リスト：c2-feed）.*最初.*最後.*回/);
    expect(text).not.toMatch(/bots\.example|c2\.example/);
  });

  it('answers at the bare address too', async () => {
    const { status, text } = await place.visitor(OTHER).visit({ host: `127.0.0.1:${place.server.noticePort}` });
    expect(status).toBe(200);
    expect(text).toContain('4712');
    expect((await place.visitor(OTHER).visit({ host: PORTAL, path: '/nothing' })).status).toBe(404);
  });

  it('takes a form from its own page alone', async () => {
    const visitor = place.visitor(OTHER);
    const { page, send } = await openPortal(visitor);
    const form = formOf(page.text, 'opt-out');
    const post = (who: Visitor, more: object = {}) => who.visit({ host: PORTAL, path: '/consent', form, ...more });

    expect((await send('opt-out', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await send('opt-out', { 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await send('opt-out', { origin: 'http://c2.example' })).status).toBe(403);
    expect((await send('opt-out', { origin: 'null' })).status).toBe(403);
    expect(await refusals(place, 'cross-site')).toBe(4);
    // No cookie, another browser's cookie, no ticket, an altered ticket.
    expect((await post(place.visitor(OTHER))).status).toBe(403);
    const stranger = place.visitor(OTHER);
    await openPortal(stranger);
    expect((await post(stranger)).status).toBe(403);
    expect((await post(visitor, { form: { ...form, form: '' } })).status).toBe(403);
    expect((await post(visitor, { form: { ...form, form: `${form['form']}x` } })).status).toBe(403);
    expect((await post(visitor, { form: { purpose: 'c2', action: 'opt-out' } })).status).toBe(403);
    expect(await refusals(place, 'form-forged')).toBe(5);
    // The ticket of one line on another.
    const neighbour = place.visitor(CONTRACT);
    for (const [name, value] of visitor.cookies) neighbour.cookies.set(name, value);
    expect((await post(neighbour)).status).toBe(409);
    // By GET, and with what is no purpose or action.
    expect((await visitor.visit({ host: PORTAL, path: `/consent?${new URLSearchParams(form)}` })).status).toBe(404);
    for (const wrong of [{ purpose: 'x' }, { action: 'delete' }, { purpose: '__proto__' }])
      expect((await post(visitor, { form: { ...form, ...wrong } })).status).toBe(400);
    const json = { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': '0' } };
    expect((await post(visitor, { ...json, form: undefined })).status).toBe(415);
    for (const client of [CONTRACT, OTHER]) expect(await place.resolves(client)).toBe('blocked: 127.0.0.1');
    expect((await send('opt-out')).status).toBe(303);
    expect(await place.resolves(OTHER)).toBe('truth');
  });

  it('changes nobody’s consent where the line has a new holder by the time the form is sent', async () => {
    const lease = (event: string, subscriber: string) =>
      place.api('/v1/leases', 'POST', { event, address: LEASED, subscriber });
    await lease('start', 'first');
    const visitor = place.visitor(LEASED);
    const { page, send } = await openPortal(visitor);
    expect(page.text).toContain('<strong>first</strong>');
    await lease('start', 'second');
    const refused = await send('opt-out');
    expect(refused.status).toBe(409);
    expect(refused.text).toContain('回線の利用者が変わりました');
    expect(await refusals(place, 'line-changed')).toBeGreaterThanOrEqual(1);
    expect(await place.resolves(LEASED)).toBe('blocked: 127.0.0.1');
    for (const subscriber of ['first', 'second']) {
      const { body } = await place.api<ConsentExport>(
        `/v1/consent/subscribers/${subscriber}/export?reason=own+request`,
      );
      expect(body.history.filter(({ action }) => action.startsWith('opt-'))).toEqual([]);
    }
    await lease('stop', 'second');
    expect((await send('opt-out')).status).toBe(403);
  });

  it('lets no visitor speak for a group, for neighbours behind a NAT, or for nobody', async () => {
    for (const [from, said] of [
      [GROUP, '個別に設定できません'],
      [OTHERS_PORTS, '特定できませんでした'],
      [STRANGER, '確認できませんでした'],
    ] as const) {
      const { page } = await openPortal(place.visitor(from));
      expect([from, page.status]).toEqual([from, 403]);
      expect(page.text).toContain(said);
      expect(page.text).toContain('会員サイトにログイン');
    }
    // Where a block of ports says who it is, the port does.
    const { page, send } = await openPortal(place.visitor(OWN_PORTS));
    expect(page.text).toContain('<strong>4721</strong>');
    expect((await send('opt-out')).status).toBe(303);
  });

  it('believes a listed proxy, and nobody else, about where a visitor comes from', async () => {
    const through = (from: string, headers: Record<string, string>) =>
      place.visitor(from).visit({ host: PORTAL, headers });
    const port = { 'x-client-port': '40000' };
    const other = '<strong>4712</strong>';
    for (const headers of [
      { 'x-forwarded-for': OTHER, ...port },
      { 'x-forwarded-for': `${CONTRACT}, ${OTHER}`, ...port },
      { 'x-forwarded-for': `${OTHER}:40000` },
      { forwarded: `for="${OTHER}:40000"` },
    ])
      expect((await through(PROXY, headers as unknown as Record<string, string>)).text).toContain(other);
    expect((await through(CONTRACT, { 'x-forwarded-for': OTHER, ...port })).text).toContain('<strong>4711</strong>');
    // Half of it, or what contradicts itself, is nobody; the proxy's own connection says nothing.
    for (const headers of [
      {},
      port,
      { 'x-forwarded-for': 'nonsense', ...port },
      { 'x-forwarded-for': '', ...port },
      { 'x-forwarded-for': OTHER },
      { 'x-forwarded-for': OWN_PORTS },
      { 'x-forwarded-for': OTHER, 'x-client-port': '40000, 40001' },
      { 'x-forwarded-for': OTHER, forwarded: `for="${CONTRACT}:40000"` },
    ])
      expect((await through(PROXY, headers as unknown as Record<string, string>)).status).toBe(403);
    const named = await through(PROXY, { 'x-forwarded-for': OWN_PORTS, 'x-client-port': '4000' });
    expect(named.text).toContain('<strong>4720</strong>');
  });
});

describe('a signed link of the member site', () => {
  let place: Place;
  beforeAll(async () => {
    place = await start();
  });

  const link = (claims: object = {}, { secret = SECRET, seconds = 60 } = {}) =>
    new SignJWT({ sub: '4711', jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('https://member.isp.example')
      .setAudience((claims as { aud?: string }).aud ?? 'sekisho-portal')
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(Buffer.from(secret));
  const follow = (visitor: Visitor, token: string) =>
    visitor.visit({ host: PORTAL, path: `/link?token=${encodeURIComponent(token)}` });

  it('opens the settings from anywhere, once, and says so in the ledger', async () => {
    const visitor = place.visitor(STRANGER);
    const token = await link();
    const taken = await follow(visitor, token);
    expect([taken.status, taken.headers.location]).toEqual([303, '/?lang=ja']);
    const { page, send } = await openPortal(visitor);
    expect(page.text).toContain('会員サイトから確認しました');
    expect((await send('opt-out')).status).toBe(303);
    expect(await place.resolves(CONTRACT)).toBe('truth');
    const { body } = await place.api<ConsentExport>('/v1/consent/subscribers/4711/export?reason=own+request');
    expect(body.history.at(-2)).toMatchObject({
      action: 'opt-out',
      channel: 'portal',
      reason: 'signed link of https://member.isp.example',
    });
    const again = await follow(place.visitor(STRANGER), token);
    expect(again.status).toBe(403);
    expect(again.text).toContain('使用済み');
    expect(again.headers['set-cookie']).toBeUndefined();
    expect(await refusals(place, 'link-used')).toBe(1);
    // A reload forgets neither what was used nor who is here.
    expect((await place.api<{ ok: boolean }>('/v1/reload', 'POST')).body.ok).toBe(true);
    expect((await follow(place.visitor(STRANGER), token)).text).toContain('使用済み');
    expect((await openPortal(visitor)).page.status).toBe(200);
    await visitor.visit({ host: PORTAL, path: '/leave', form: { lang: 'ja' } });
    expect((await openPortal(visitor)).page.status).toBe(403);
  });

  it('ends on the server when it is left: whoever kept the cookies has nothing', async () => {
    const visitor = place.visitor(STRANGER);
    await follow(visitor, await link({ sub: '4712' }));
    const { page } = await openPortal(visitor);
    const form = formOf(page.text, 'opt-out');
    const thief = place.visitor(STRANGER);
    for (const [name, value] of visitor.cookies) thief.cookies.set(name, value);
    expect((await openPortal(thief)).page.text).toContain('<strong>4712</strong>');
    // Another session of the same subscriber goes on.
    const elsewhere = place.visitor(STRANGER);
    await follow(elsewhere, await link({ sub: '4712' }));

    const left = await visitor.visit({ host: PORTAL, path: '/leave', form: { lang: 'ja' } });
    expect(left.status).toBe(200);
    expect([...visitor.cookies]).toEqual([]);
    expect((await openPortal(thief)).page.status).toBe(403);
    expect((await thief.visit({ host: PORTAL, path: '/consent', form })).status).toBe(403);
    expect(await place.resolves(OTHER)).toBe('blocked: 127.0.0.1');
    expect((await openPortal(elsewhere)).page.text).toContain('<strong>4712</strong>');
    // Neither does a reload bring it back.
    expect((await place.api<{ ok: boolean }>('/v1/reload', 'POST')).body.ok).toBe(true);
    expect((await openPortal(thief)).page.status).toBe(403);
  });

  it('may come as a form, so that it stands in no address', async () => {
    const visitor = place.visitor(STRANGER);
    const token = await link({ sub: '4712' });
    expect((await visitor.visit({ host: PORTAL, path: '/link', form: { token } })).status).toBe(303);
    expect((await openPortal(visitor)).page.text).toContain('<strong>4712</strong>');
  });

  it('is refused and counted when forged, expired, for somebody else, too long, or for a group', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [header = '', payload = '', signature = ''] = (await link()).split('.');
    const unsigned = `${part({ alg: 'none' })}.${payload}.`;
    const cases: [string, string, string][] = [
      ['another secret', await link({}, { secret: 'x'.repeat(40) }), 'link-forged'],
      ['no signature', unsigned, 'link-forged'],
      ['another payload', `${header}.${part({ sub: '4712' })}.${signature}`, 'link-forged'],
      ['another issuer', await link().then((token) => `${token}A`), 'link-forged'],
      ['no token at all', '<script>', 'link-forged'],
      ['very long', 'a'.repeat(6000), 'link-forged'],
      ['no jti', await link({ jti: undefined }), 'link-forged'],
      ['expired', await link({}, { seconds: -60 }), 'link-expired'],
      ['lasts for a day', await link({}, { seconds: 86_400 }), 'link-expired'],
      ['another audience', await link({ aud: 'webmail' }), 'link-audience'],
      ['a group', await link({ sub: '@home' }), 'link-subscriber'],
      ['markup', await link({ sub: '<b>' }), 'link-subscriber'],
    ];
    for (const [what, token, reason] of cases) {
      const before = await refusals(place, reason);
      const { status, text, headers } = await follow(place.visitor(STRANGER), token);
      expect([what, status, headers['set-cookie']]).toEqual([what, 403, undefined]);
      expect(text).toContain('<h1>リンク');
      expect([what, await refusals(place, reason)]).toEqual([what, before + 1]);
    }
    expect(place.server.stdout()).not.toContain('eyJ');
  });

  it('is good for a session of that subscriber alone: a cookie that was made up is none', async () => {
    const visitor = place.visitor(STRANGER);
    visitor.cookies.set('sekisho-session', await link());
    expect((await openPortal(visitor)).page.status).toBe(403);
  });
});

describe('the call centre', () => {
  it('sees and changes a consent in the roles portal and privacy, and in no other', async () => {
    const place = await start({}, ['viewer', 'operator', 'security', 'privacy', 'portal']);
    for (const role of ['viewer', 'operator', 'security', 'privacy', 'portal']) {
      const allowed = role === 'privacy' || role === 'portal' ? 200 : 403;
      const as = (path: string, method = 'GET', body?: object) =>
        place.api<{ error?: { code: string } }>(`/v1/consent/subscribers/4711${path}`, method, body, `token-${role}`);
      expect([role, (await as('?reason=ticket')).status]).toEqual([role, allowed]);
      expect([role, (await as('/export?reason=own+request')).status]).toEqual([role, allowed]);
      const change = { reason: 'by telephone', channel: 'call-centre' };
      expect([role, (await as('/opt-out', 'POST', change)).status]).toEqual([role, allowed]);
      expect([role, (await as('/opt-in', 'POST', change)).status]).toEqual([role, allowed]);
    }
    const { body } = await place.api<ConsentExport>('/v1/consent/subscribers/4711/export?reason=own+request');
    const changes = body.history.filter(({ action }) => action === 'opt-out');
    expect(changes.map(({ who, channel, reason }) => [who, channel, reason])).toEqual([
      ['privacy', 'call-centre', 'by telephone'],
      ['portal', 'portal', 'by telephone'],
    ]);
    const { page } = await openPortal(place.visitor(CONTRACT));
    expect(page.text).toContain('お電話');
    const refused = await sekisho(['consent', 'opt-out', '4711', '--config', place.server.configFile], {
      env: { SEKISHO_TOKEN: 'token-operator' },
    });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('SEKISHO_ROLE_MISSING');
  });
});

describe('the operator’s own texts', () => {
  it('are shown after a reload, and without the opt-out refused with the old ones in force', async () => {
    const place = await start();
    const texts = join(place.folder, 'texts');
    mkdirSync(join(texts, 'ja'), { recursive: true });
    cpSync(join(repositoryRoot(), 'pages', 'ja', 'blocked.html'), join(texts, 'ja', 'blocked.html'));
    const file = join(texts, 'ja', 'blocked.html');
    const good = readFileSync(file, 'utf8').replace('</h1>', '（お知らせ）</h1>');
    writeFileSync(file, good);
    const config = parse(place.server.config) as { notice: Record<string, unknown> };
    writeFileSync(
      place.server.configFile,
      stringify({ ...config, notice: { ...config.notice, templates: './texts' } }).replace('./texts', texts),
    );
    const reload = () => place.api<{ ok: boolean; problems: string[] }>('/v1/reload', 'POST');
    const shown = async () => (await place.visitor(CONTRACT).visit({ host: 'c2.example' })).text;
    expect((await reload()).body).toMatchObject({ ok: true });
    expect(await shown()).toContain('（お知らせ）</h1>');

    writeFileSync(file, good.replace(/<section id="opt-out">[\s\S]*<\/section>/, '').replace('お知らせ', '誤り'));
    const { body } = await reload();
    expect(body.problems.join('\n')).toContain(`${file}: as blocked-c2: has no way to opt out`);
    expect(await shown()).toContain('（お知らせ）</h1>');
    expect(await place.resolves(CONTRACT)).toBe('blocked: 127.0.0.1');
    const checked = await sekisho(['check', '--config', place.server.configFile]);
    expect([checked.code, checked.stderr.includes('has no way to opt out')]).toEqual([1, true]);

    writeFileSync(file, good.replace('{{name}}', '{{{name}}}\n{{nmae}}').replace('</h1>', '</h1><script></script>'));
    const wrong = await sekisho(['check', '--config', place.server.configFile]);
    expect(wrong.stderr).toContain(`${file}:1:`);
    expect(wrong.stderr).toMatch(/blocked\.html:2:\d+: '\{\{\{name\}\}\}' would not be escaped/);
    expect(wrong.stderr).toMatch(/blocked\.html:3:1: 'nmae': unknown name; did you mean 'name'\?/);
  });

  it('move to another address with a reload, and stay where that is taken', async () => {
    const place = await start();
    const config = parse(place.server.config) as { notice: Record<string, unknown> };
    const other = await freePort();
    const listenAt = async (port: number) => {
      writeFileSync(
        place.server.configFile,
        stringify({ ...config, notice: { ...config.notice, listen: [`127.0.0.1:${port}`, `[::1]:${other}`] } }),
      );
      return place.api<{ ok: boolean; problems: string[] }>('/v1/reload', 'POST');
    };
    expect((await listenAt(other)).body).toMatchObject({ ok: true });
    expect((await new Visitor(CONTRACT, other).visit({ host: 'c2.example' })).status).toBe(403);
    const overIPv6 = await fetch(`http://[::1]:${other}/`);
    expect([overIPv6.status, await overIPv6.text()]).toEqual([403, expect.stringContaining('確認できませんでした')]);
    await expect(place.visitor(CONTRACT).visit({ host: 'c2.example' })).rejects.toThrow(/ECONNREFUSED/);
    const refused = await listenAt(place.server.port);
    expect(refused.body.problems.join()).toMatch(/notice\.listen.*(taken|in use)/);
    expect((await new Visitor(CONTRACT, other).visit({ host: 'c2.example' })).status).toBe(403);
  });
});

describe('a port that is taken', () => {
  const taken = createServer();
  keep({ close: () => taken.close() });

  it('costs the page where nobody named the address, and is told', async () => {
    // Whoever has it: this test, or another server on this machine.
    await new Promise<void>((resolve) => {
      taken.once('error', () => resolve());
      taken.listen(8080, '127.0.0.1', () => resolve());
    });
    const place = await start(null);
    expect(await place.resolves(STRANGER, 'www.example')).toBe('truth');
    const warned = logOf(place.server).find(({ msg }) =>
      String(msg).startsWith('notice page and opt-out portal are not available'),
    );
    expect(warned?.['reason']).toBe('127.0.0.1:8080 (notice.listen) is in use by another program');
    expect((await scrape(place.server)).total('sekisho_notice_listening')).toBe(0);
  });

  it('is an error where it was configured', async () => {
    const folder = temporaryFolder('taken');
    const port = await freePort();
    const busy = createServer();
    keep({ close: () => busy.close() });
    await new Promise<void>((resolve) => busy.listen(port, '127.0.0.1', () => resolve()));
    const file = join(folder, 'sekisho.yaml');
    writeFileSync(
      file,
      stringify({
        server: { listen: [`127.0.0.88:${await freePort()}`] },
        upstream: { servers: ['127.0.0.1:9'] },
        admin: { listen: '127.0.0.1:0' },
        notice: { listen: `127.0.0.1:${port}` },
      }),
    );
    const { code, stderr } = await sekisho(['run', '--config', file]);
    expect(code).toBe(1);
    expect(stderr).toContain('SEKISHO_PORT_IN_USE');
    expect(stderr).toContain('notice.listen');
  });
});
