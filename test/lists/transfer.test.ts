/** Zone transfers from the primaries that vendors run: BIND, Knot and NSD from Debian. */
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createListParser } from '../../src/lists/formats/parser.ts';
import type { EntrySink } from '../../src/lists/formats/sink.ts';
import { judgeNotify, notifyReply, parseNotify } from '../../src/lists/sources/dns/notify.ts';
import type { Clock } from '../../src/time/clock.ts';
import { findProgram, type Program } from '../support/debian.ts';
import { freePort } from '../support/free-port.ts';
import type { RunningProcess } from '../support/process.ts';
import { temporaryFolder } from '../support/process.ts';
import { startBindPrimary } from './bind-primary.ts';
import { startKnot } from './knot.ts';
import { startNsdPrimary } from './nsd-primary.ts';
import { KEY, policyZone } from './primary.ts';
import { compiledZone, makeSecondary, reasonOf, type Secondary, tsigKey } from './secondary.ts';

const ZONE = 'rpz.test';
const present = (...programs: Program[]): boolean => programs.every((program) => findProgram(program) !== undefined);

const servers: RunningProcess[] = [];
const closers: (() => void)[] = [];
afterAll(async () => {
  for (const close of closers) close();
  await Promise.all(servers.map((server) => server.stop()));
});

function started<Server extends RunningProcess>(server: Server): Server {
  servers.push(server);
  return server;
}

function currentText(secondary: Secondary): string {
  return readFileSync(secondary.store.current?.path ?? '', 'latin1');
}

/** What the parser of policy zones makes of a master file, in no order. */
function rulesOf(text: string): string[] {
  const rules: string[] = [];
  const note = (...parts: unknown[]): void => void rules.push(parts.map(String).join(' '));
  const sink: EntrySink = {
    entry: (name, length, kind, action, data) => note('name', name.subarray(0, length), kind, action, data),
    nameServer: (name, length, kind, action, data) => note('server', name.subarray(0, length), kind, action, data),
    network: (trigger, words, bits, action, data) => note('network', trigger, words, bits, action, data),
  };
  const parser = createListParser('rpz', { zone: ZONE }, sink);
  parser.feed(new Uint8Array(Buffer.from(text, 'latin1')));
  const { rejected, reasons } = parser.end();
  return [...rules.sort(), `${rejected} rejected: ${JSON.stringify(reasons)}`];
}

/** Wall clock that is `aheadMs` ahead. */
function wrongClock(aheadMs: number): Clock {
  return { nowMs: () => 0, wallMs: () => Date.now() + aheadMs, termMs: () => Date.now() + aheadMs };
}

/** A TCP relay to `port` that does to the primary's bytes what `alter` says; null cuts the connection. */
async function relay(port: number, alter: (chunk: Buffer, before: number) => Buffer | null): Promise<number> {
  const server: Server = createServer((client: TcpSocket) => {
    const primary = createConnection({ port, host: '127.0.0.1' });
    let before = 0;
    client.on('error', () => {}).on('close', () => primary.destroy());
    primary.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(primary);
    primary.on('data', (chunk: Buffer) => {
      const altered = alter(chunk, before);
      before += chunk.length;
      if (altered) client.write(altered);
      else client.destroy();
    });
  });
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Heard {
  readonly bytes: Uint8Array;
  answer(bytes: Uint8Array): void;
}

/** Keeps the messages that come, for NOTIFY: over UDP, as BIND sends it, and over TCP, as Knot does. */
async function listener(): Promise<{ port: number; next(): Promise<Heard> }> {
  const port = await freePort();
  const got: Heard[] = [];
  let wake = (): void => {};
  const take = (bytes: Uint8Array, answer: Heard['answer']): void => {
    got.push({ bytes: new Uint8Array(bytes), answer });
    wake();
  };
  const udp: Socket = createSocket('udp4');
  udp.on('message', (message, from) => take(message, (bytes) => udp.send(bytes, from.port, from.address)));
  const tcp: Server = createServer((client) => {
    let buffer = Buffer.alloc(0);
    client
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        buffer = Buffer.concat([buffer, chunk]);
        for (let end = 0; buffer.length >= 2; buffer = buffer.subarray(end)) {
          end = 2 + buffer.readUInt16BE();
          if (buffer.length < end) break;
          take(buffer.subarray(2, end), (bytes) => {
            client.write(Buffer.concat([Buffer.from([bytes.length >>> 8, bytes.length & 255]), bytes]));
          });
        }
      });
  });
  closers.push(
    () => udp.close(),
    () => tcp.close(),
  );
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve));
  return {
    port,
    async next() {
      while (got.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return got.shift() as Heard;
    },
  };
}

describe.skipIf(!present('named'))('BIND', () => {
  it('gives the whole zone, then only what changed, and the zone on disk is its own', async () => {
    const zone = policyZone(ZONE, 3000);
    const bind = started(await startBindPrimary({ zone, key: KEY }));
    const secondary = await makeSecondary({ port: bind.port, zone: ZONE, key: KEY });

    expect(await secondary.update()).toMatchObject({ kind: 'content', provenance: { serial: 1, transfer: 'axfr' } });
    expect(compiledZone(ZONE, currentText(secondary))).toEqual(compiledZone(ZONE, zone.text));
    expect(rulesOf(zone.text).length).toBeGreaterThan(3000);
    expect(rulesOf(currentText(secondary))).toEqual(rulesOf(zone.text));
    expect(await secondary.update()).toMatchObject({ kind: 'unchanged', provenance: { serial: 1 } });

    bind.update([`add new.example.${ZONE}. 60 CNAME .`, `delete blocked-7.example.${ZONE}. CNAME`]);
    bind.update([`delete new.example.${ZONE}. CNAME`, `add semi\\;colon.${ZONE}. 60 TXT "two words"`]);
    bind.update([`add NEW.example.${ZONE}. 120 A 192.0.2.77`]);
    const result = await secondary.update();
    expect(result).toMatchObject({ kind: 'content', provenance: { serial: 4, transfer: 'ixfr' } });
    // BIND's own word that it did not send the 3000 names.
    expect(bind.stderr()).toMatch(/transfer of 'rpz\.test\/IN': IXFR ended: 1 messages, 1\d records/);

    const fresh = await makeSecondary({ port: bind.port, zone: ZONE, key: KEY });
    expect(await fresh.update()).toMatchObject({ provenance: { transfer: 'axfr' } });
    expect(compiledZone(ZONE, currentText(secondary))).toEqual(compiledZone(ZONE, currentText(fresh)));
    expect(currentText(secondary)).toContain('new.example.rpz.test. 120 IN A 192.0.2.77');
    expect(currentText(secondary)).not.toContain('blocked-7.example');
    expect(currentText(secondary).split('\n')[0]).toBe(currentText(fresh).split('\n')[0]);
  });

  it('says clearly which part of the signature is wrong', async () => {
    const bind = started(await startBindPrimary({ zone: policyZone(ZONE, 2000), key: KEY }));
    const fetch = async (more: object): Promise<string> => {
      const secondary = await makeSecondary({ port: bind.port, zone: ZONE, key: KEY, ...more });
      const reason = reasonOf(await secondary.update());
      expect(secondary.leftovers()).toEqual([]);
      return reason;
    };
    const secret = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
    expect(await fetch({ key: { ...KEY, secret } })).toMatch(/BADSIG: the primary has another secret for key/);
    expect(await fetch({ key: { ...KEY, name: 'other.test' } })).toMatch(
      /BADKEY: the primary does not know key 'other/,
    );
    expect(await fetch({ clock: wrongClock(4_000_000) })).toMatch(
      /BADTIME: the primary's clock is (3999|4000) s behind/,
    );
    expect(await fetch({ key: undefined })).toMatch(/REFUSED to AXFR: does it allow transfers/);

    const tampering = await relay(bind.port, (chunk, before) => {
      // One byte of a message in the middle of the zone.
      if (before < 40_000 && before + chunk.length > 40_000) chunk[40_000 - before] = (chunk[40_000 - before] ?? 0) ^ 1;
      return chunk;
    });
    expect(await fetch({ port: tampering })).toMatch(/BADSIG: the signature does not match|broken/);
  });

  it('dies in the middle of a transfer and the old version stays, also after a restart', async () => {
    const bind = started(await startBindPrimary({ zone: policyZone(ZONE, 5000), key: KEY }));
    let dying = false;
    const port = await relay(bind.port, (chunk, before) => {
      if (!dying || before + chunk.length < 100_000) return chunk;
      void bind.stop('SIGKILL');
      return null;
    });
    const data = temporaryFolder('cold');
    const secondary = await makeSecondary({ port, zone: ZONE, key: KEY, data });
    expect(await secondary.update()).toMatchObject({ kind: 'content' });
    const before = currentText(secondary);

    dying = true;
    expect(reasonOf(await secondary.update({ again: true }))).toMatch(
      /the primary closed the connection in the middle/,
    );
    await bind.ended;
    expect(secondary.leftovers()).toEqual([]);
    expect(currentText(secondary)).toBe(before);

    const cold = await makeSecondary({ port: bind.port, zone: ZONE, key: KEY, data });
    expect(currentText(cold)).toBe(before);
    expect(reasonOf(await cold.update())).toMatch(/ECONNREFUSED/);
    expect(cold.store.current?.provenance.serial).toBe(1);
  });

  it('notifies of a change, signed, and is answered', async () => {
    const heard = await listener();
    const bind = started(await startBindPrimary({ zone: policyZone(ZONE, 5), key: KEY, notifyPort: heard.port }));
    const zones = [{ zone: `${ZONE}.`, primaries: ['127.0.0.1'], key: tsigKey(KEY) }];
    const first = await heard.next();
    const nowS = Math.floor(Date.now() / 1000);
    const verdict = judgeNotify(first.bytes, '127.0.0.1', zones, nowS);
    expect(verdict).toMatchObject({ accepted: true, zone: 'rpz.test.', serial: 1 });
    if (verdict.reply) first.answer(verdict.reply);

    bind.update([`add new.example.${ZONE}. 60 CNAME .`]);
    const second = await heard.next();
    expect(parseNotify(second.bytes)).toEqual({ zone: 'rpz.test.', serial: 2 });
    const other = [
      { zone: `${ZONE}.`, primaries: ['127.0.0.1'], key: tsigKey({ ...KEY, secret: 'b3RoZXItc2VjcmV0' }) },
    ];
    expect(judgeNotify(second.bytes, '127.0.0.1', other, nowS)).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('BADSIG'),
    });
    expect(judgeNotify(second.bytes, '192.0.2.9', zones, nowS)).toMatchObject({
      reason: '192.0.2.9 is no primary of rpz.test.',
    });
    // It stops asking only where it takes our signed answer for one: an unsigned or wrong one is logged.
    expect(bind.stderr()).not.toMatch(/notify.*(tsig|signature|failed)/i);
  });
});

describe.skipIf(!present('knotd'))('Knot', () => {
  it('gives the whole zone, then the difference to a new zone file, signed with SHA-512', async () => {
    const key = { ...KEY, algorithm: 'hmac-sha512' };
    const knot = started(await startKnot({ zone: policyZone(ZONE, 3000), key }));
    const secondary = await makeSecondary({ port: knot.port, zone: ZONE, key });
    expect(await secondary.update()).toMatchObject({ kind: 'content', provenance: { serial: 1, transfer: 'axfr' } });

    const next = policyZone(ZONE, 3010, 2);
    await knot.replace(next.text.replace('blocked-5.example CNAME .', 'blocked-5.example CNAME *.'));
    expect(await secondary.update()).toMatchObject({ kind: 'content', provenance: { serial: 2, transfer: 'ixfr' } });
    expect(knot.stderr()).toMatch(/IXFR, outgoing.*finished/);
    const expected = next.text.replace('blocked-5.example CNAME .', 'blocked-5.example CNAME *.');
    expect(compiledZone(ZONE, currentText(secondary))).toEqual(compiledZone(ZONE, expected));
  });

  it('is refused where its serial goes back, unless somebody wants that', async () => {
    const knot = started(await startKnot({ zone: policyZone(ZONE, 5, 10) }));
    const data = temporaryFolder('serial');
    const secondary = await makeSecondary({ port: knot.port, zone: ZONE, data });
    await secondary.update();
    await knot.stop();
    // The same zone set up again, at the port of the old one.
    const again = started(await startKnot({ zone: policyZone(ZONE, 6, 9) }));
    const port = await relay(again.port, (chunk) => chunk);
    // The list's source is known by its port: what is in force came from there.
    const moved = { ...secondary.store.current?.provenance, source: `axfr://127.0.0.1:${port}/rpz.test` };
    await secondary.store.confirm(moved as never);
    const late = await makeSecondary({ port, zone: ZONE, data });
    expect(reasonOf(await late.update())).toMatch(/the serial went back, from 10 to 9: refused/);
    expect(late.store.current?.provenance.serial).toBe(10);
    expect(await late.update({ again: true })).toMatchObject({ kind: 'content', provenance: { serial: 9 } });
  });

  it('notifies of a change', async () => {
    const heard = await listener();
    const knot = started(await startKnot({ zone: policyZone(ZONE, 5), notifyPort: heard.port }));
    const replaced = knot.replace(policyZone(ZONE, 6, 2).text);
    // The one for serial 1, sent at the start, may come first; Knot sends the next when it has our answer.
    for (;;) {
      const notify = await heard.next();
      notify.answer(notifyReply(notify.bytes));
      const parsed = parseNotify(notify.bytes);
      if (parsed?.serial === 1) continue;
      expect(parsed).toEqual({ zone: 'rpz.test.', serial: 2 });
      break;
    }
    await replaced;
  });
});

describe.skipIf(!present('nsd'))('NSD', () => {
  it('gives a zone of a hundred messages, each chained to the one before', async () => {
    const zone = policyZone(ZONE, 60_000);
    const nsd = started(await startNsdPrimary({ zone, key: KEY }));
    const secondary = await makeSecondary({ port: nsd.port, zone: ZONE, key: KEY });
    expect(reasonOf(await secondary.update())).toBe('content');
    expect(compiledZone(ZONE, currentText(secondary))).toEqual(compiledZone(ZONE, zone.text));
  });

  it('keeps no changes: asked for them it gives the whole zone, which is taken', async () => {
    const nsd = started(await startNsdPrimary({ zone: policyZone(ZONE, 50), key: KEY }));
    const secondary = await makeSecondary({ port: nsd.port, zone: ZONE, key: KEY });
    await secondary.update();
    const next = policyZone(ZONE, 60, 2);
    writeFileSync(join(nsd.folder, `${ZONE}.zone`), next.text);
    process.kill(nsd.pid, 'SIGHUP');
    await expect.poll(async () => reasonOf(await secondary.update()), { timeout: 10_000 }).toBe('content');
    expect(secondary.store.current?.provenance).toMatchObject({
      serial: 2,
      transfer: 'axfr',
      notes: [expect.stringMatching(/changes/)],
    });
    expect(compiledZone(ZONE, currentText(secondary))).toEqual(compiledZone(ZONE, next.text));
  });

  it('is refused where the zone exceeds the size limit, and where it is not the zone asked for', async () => {
    const nsd = started(await startNsdPrimary({ zone: policyZone(ZONE, 3000) }));
    const small = await makeSecondary({ port: nsd.port, zone: ZONE, maxBytes: 50_000 });
    expect(reasonOf(await small.update())).toMatch(/longer than the limit/);
    expect(small.leftovers()).toEqual([]);
    const other = await makeSecondary({ port: nsd.port, zone: 'other.test' });
    expect(reasonOf(await other.update())).toMatch(/REFUSED to SOA|no SOA/);
  });
});
