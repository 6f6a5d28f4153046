/** Notices to a mailing system: signed as their libraries expect, sent again until they are taken, and given up in the end. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditEntry } from '../audit/entry.ts';
import { ManualClock } from '../time/clock.ts';
import { openSqliteCases } from './cases/sqlite-case-store.ts';
import { secretIn, signatureOf, Webhook } from './webhook.ts';

const folder = mkdtempSync(join(tmpdir(), 'webhook-'));
const secretFile = join(folder, 'secret');
writeFileSync(secretFile, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n');

const taken: { headers: Record<string, unknown>; body: string }[] = [];
let status = 200;
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part: Buffer) => {
    body += part.toString();
  });
  request.on('end', () => {
    taken.push({ headers: request.headers, body });
    response.writeHead(status).end('whatever');
  });
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close());

test('the signature is that of Standard Webhooks', () => {
  // The example of the specification's own libraries.
  const headers = signatureOf(
    secretIn(secretFile),
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1_614_265_330_000,
    '{"test": 2432232314}',
  );
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('a secret that is none is refused', () => {
  for (const text of ['', 'whsec_', 'whsec_short', 'correct horse battery staple']) {
    const file = join(folder, 'wrong');
    writeFileSync(file, text);
    expect(() => secretIn(file)).toThrow('holds no secret');
  }
});

test('taken once, retried later and later, given up, and never sent of what is over', async () => {
  const clock = new ManualClock();
  const { store } = await openSqliteCases(join(folder, 'cases.db'), clock.wallMs());
  const entries: AuditEntry[] = [];
  const logged: string[] = [];
  const { port } = server.address() as AddressInfo;
  const webhook = new Webhook({
    config: { url: `http://127.0.0.1:${port}/hook`, secretFile, giveUpMs: 10 * 60_000 },
    clock,
    audit: { record: (entry) => void entries.push(entry) },
    log: { warn: (_, text) => void logged.push(text), error: (_, text) => void logged.push(text) },
    checkUrl: (code) => `https://portal.isp.example/check?code=${code}`,
    random: () => 0,
  });
  let codes = 0;
  const sighting = (subscriber: string) => ({
    subscriber,
    kind: 'mirai',
    source: 'x',
    observedMs: clock.wallMs(),
    count: 1,
  });
  await store.add([sighting('4711'), sighting('4712'), sighting('4713')], {
    nowMs: clock.wallMs(),
    newCode: () => `CODE-000${++codes}`,
  });
  await store.enqueue(['CODE-0001', 'CODE-0002', 'CODE-0003'], clock.wallMs());
  await store.mark('CODE-0003', 'wrong', clock.wallMs());
  await webhook.deliver(store);
  expect(taken).toHaveLength(2);
  expect(taken[0]!.headers['webhook-id']).toBe('CODE-0001.1');
  const { type, data } = JSON.parse(taken[0]!.body);
  expect(type).toBe('terminal.notice');
  expect(data).toMatchObject({
    code: 'CODE-0001',
    subscriber: '4711',
    kind: 'mirai',
    notice: 1,
    checkUrl: 'https://portal.isp.example/check?code=CODE-0001',
  });
  expect((await store.find('CODE-0001'))?.state).toBe('notified');
  expect(entries.map(({ action }) => action)).toEqual(['terminals.send', 'terminals.send']);
  // Nothing is due any more.
  await webhook.deliver(store);
  expect(taken).toHaveLength(2);

  // A reminder that is refused: after 1, 2, 4 minutes, and then not any more.
  status = 503;
  await store.enqueue(['CODE-0001'], clock.wallMs());
  const times: number[] = [];
  for (let minute = 0; minute < 60; minute++) {
    const before = taken.length;
    await webhook.deliver(store);
    if (taken.length > before) times.push(minute);
    clock.advance(60_000);
  }
  expect(times).toEqual([0, 1, 3, 7]);
  expect(new Set(taken.slice(2).map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['CODE-0001.2']));
  expect((await store.figures()).undelivered).toBe(1);
  expect(logged.at(-1)).toContain('given up');
  await store.close();
});
