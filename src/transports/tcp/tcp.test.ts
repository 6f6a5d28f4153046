import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { answer, question, until } from '../../../test/support/net-queries.ts';
import { Holding, startServer, TcpClient, type TestServer } from '../../../test/support/tcp-client.ts';
import { TCP } from '../../wire/query.ts';
import { ANSWER, addRecord, beginReply, finishReply } from '../../wire/writer.ts';
import { boundPort, openTcpListener } from '../sockets.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function start(options?: Parameters<typeof startServer>[0]): Promise<TestServer> {
  const test = await startServer(options);
  cleanups.push(() => test.server.close());
  return test;
}

async function client(...where: Parameters<typeof TcpClient.open>): Promise<TcpClient> {
  const opened = await TcpClient.open(...where);
  cleanups.push(() => opened.destroy());
  return opened;
}

const ids = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('TcpServer', () => {
  for (const [host, family, words] of [
    ['127.0.0.1', 4, [0, 0, 0xffff, 0x7f000001]],
    ['::1', 6, [0, 0, 0, 1]],
  ] as const) {
    it(`answers over IPv${family} and tells who asked`, async () => {
      let seen: unknown;
      const { port, clock } = await start({
        host,
        handle(query) {
          seen = {
            transport: query.transport,
            listener: query.listener,
            family: query.family,
            client: [...query.clientWords],
            port: query.port,
            receivedMs: query.receivedMs,
            plain: query.message.constructor === Uint8Array && query.reply.constructor === Uint8Array,
            aligned: query.replyStart % 4,
          };
          return answer(query);
        },
      });
      const one = await client(port, host);
      one.send(question(513, 'WWW.example'));
      const reply = decode(await one.next());
      expect(reply).toMatchObject({ id: 513, questions: [{ name: 'WWW.example' }], answers: [{ data: '192.0.2.7' }] });
      expect(seen).toEqual({
        transport: TCP,
        listener: 0,
        family,
        client: [...words],
        port: one.socket.localPort,
        receivedMs: clock.nowMs(),
        plain: true,
        aligned: 0,
      });
    });
  }

  it('serves several addresses and tells which one was asked', async () => {
    const listeners: number[] = [];
    const { server, port } = await start({
      handle(query) {
        listeners.push(query.listener);
        return answer(query);
      },
    });
    const second = await server.listen({ host: '::1', port: 0 }, 1);
    const v6 = await client(second.port, '::1');
    const v4 = await client(port);
    v6.send(question(1, 'a.example'));
    await v6.next();
    v4.send(question(2, 'b.example'));
    await v4.next();
    expect(listeners).toEqual([1, 0]);
  });

  it.runIf(process.platform === 'linux')('listens on a socket that was made elsewhere', async () => {
    const { server } = await start();
    const fd = openTcpListener({
      address: Int32Array.of(0, 0, 0xffff, 0x7f000001),
      port: 0,
      receiveBufferBytes: 65536,
    });
    const port = boundPort(fd);
    await server.listen({ fd }, 3);
    const one = await client(port);
    one.send(question(9, 'fd.example'));
    expect(await one.ids(1)).toEqual([9]);
  });

  it('says that a port is taken', async () => {
    const { server, port } = await start();
    await expect(server.listen({ host: '127.0.0.1', port }, 1)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('answers pipelined queries, those of one segment in one segment (RFC 7766 §6.2.1.1)', async () => {
    const { port } = await start();
    const one = await client(port);
    one.send(...ids(50).map((id) => question(id, `n${id}.example`)));
    expect(await one.ids(50)).toEqual(ids(50));
    expect(one.chunks).toBe(1);
  });

  it('sends answers in the order in which they are ready (RFC 7766 §6.2.1.1)', async () => {
    const holding = new Holding();
    const { server, port } = await start({
      handle: (query) => (query.message[query.start + 1] === 2 ? answer(query) : holding.handle(query)),
    });
    const one = await client(port);
    one.send(question(1, 'slow.example'), question(2, 'quick.example'), question(3, 'slow.example'));
    expect(await one.ids(1)).toEqual([2]);
    await holding.held(2);
    expect(holding.answer(server, 1)).toBe(true);
    expect(holding.answer(server, 0)).toBe(true);
    expect(await one.ids(2)).toEqual([3, 1]);
  });

  it('puts a query together that comes byte by byte', async () => {
    const { port } = await start();
    const one = await client(port);
    const bytes = question(7, 'pieces.example');
    for (const byte of [0, bytes.length, ...bytes]) {
      await new Promise<void>((resolve) => one.socket.write(Buffer.of(byte), () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await one.ids(1)).toEqual([7]);
  });

  it('gives a client that closed its half all its answers, then closes too', async () => {
    const holding = new Holding();
    const { server, port, closedFor } = await start({ handle: holding.handle });
    const one = await client(port);
    one.send(question(1, 'a.example'), question(2, 'b.example'));
    one.socket.end();
    await holding.held(2);
    holding.answer(server);
    expect(await one.ids(1)).toEqual([1]);
    expect(one.closed).toBe(false);
    holding.answer(server);
    expect(await one.ids(1)).toEqual([2]);
    await one.gone();
    await until(() => server.connections === 0);
    expect(closedFor('client')).toBe(1);
  });

  it('reads on only when answers went out, where too many queries are in flight', async () => {
    const holding = new Holding();
    const { server, port } = await start({ handle: holding.handle, limits: { maxInFlight: 4 } });
    const one = await client(port);
    one.send(...ids(10).map((id) => question(id, 'x.example')));
    one.socket.end();
    await holding.held(4);
    expect(holding.tokens.length).toBe(4);
    for (let answered = 0; answered < 10; answered++) {
      await holding.held(1);
      expect(holding.tokens.length).toBeLessThanOrEqual(4);
      holding.answer(server);
    }
    expect(await one.ids(10)).toEqual(ids(10));
    await one.gone();
  });

  it('does not count dropped and abandoned queries as in flight', async () => {
    const holding = new Holding();
    const { server, port } = await start({
      limits: { maxInFlight: 2 },
      handle(query) {
        const id = query.message[query.start + 1]!;
        if (id === 99) return answer(query);
        if (id >= 6) return holding.handle(query);
        query.reset();
        query.dropReason = 3;
        return false;
      },
    });
    const one = await client(port);
    one.send(...[1, 2, 3, 4, 5, 6, 7, 99].map((id) => question(id, 'x.example')));
    await holding.held(2);
    server.abandon(holding.take());
    server.abandon(holding.take());
    expect(await one.ids(1)).toEqual([99]);
  });

  it('does not answer the successor of a client that is gone', async () => {
    const holding = new Holding();
    const { server, port } = await start({ handle: holding.handle });
    const first = await client(port);
    first.send(question(1, 'first.example'));
    await holding.held(1);
    first.socket.resetAndDestroy();
    await until(() => server.connections === 0);
    const second = await client(port);
    second.send(question(2, 'second.example'));
    await holding.held(2);
    const late = holding.take(0);
    expect(late.id).toBe(1);
    expect(server.prepare(late)).toBe(false);
    server.send(late);
    server.abandon(late);
    expect(holding.answer(server)).toBe(true);
    expect(await second.ids(1)).toEqual([2]);
  });

  it('sends answers of up to 65535 bytes', async () => {
    const { port } = await start({
      handle(query) {
        if (!answer(query)) return false;
        beginReply(query, 0);
        const room = query.replyCapacity - query.replyLength - 12;
        addRecord(query, ANSWER, 16, 60, new Uint8Array(room).fill(5));
        finishReply(query);
        return true;
      },
    });
    const one = await client(port);
    one.send(question(3, 'large.example'));
    const reply = await one.next();
    expect(reply.length).toBe(65535);
    expect(reply.subarray(-1000).every((byte) => byte === 5)).toBe(true);
  });

  it('tells the idle time to a client that asks for it (RFC 7828 §3.3.2)', async () => {
    const { port } = await start({ limits: { idleMs: 12_300 } });
    const one = await client(port);
    const options = [{ code: 'TCP_KEEPALIVE', timeout: undefined }] as never[];
    const additionals = [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options }] as never[];
    one.send(encode({ type: 'query', id: 5, questions: [{ type: 'A', name: 'k.example' }], additionals }));
    const reply = decode(await one.next());
    expect(reply.additionals?.[0]).toMatchObject({ type: 'OPT', options: [{ code: 11, timeout: 123 }] });
  });

  it('takes a reset for what it is', async () => {
    const { server, port, closedFor, accepted } = await start();
    const one = await client(port);
    one.send(question(1, 'a.example'));
    await one.next();
    one.socket.resetAndDestroy();
    await until(() => server.connections === 0);
    expect([closedFor('error'), accepted()]).toEqual([1, 1]);
  });

  it('survives whatever bytes come', async () => {
    const { server, port, accepted } = await start();
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 })));
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        runs++;
        const one = await TcpClient.open(port);
        if (Array.isArray(sent)) one.send(...sent);
        else one.write(sent);
        one.socket.end();
        await one.gone();
        one.destroy();
      }),
      { numRuns: 300 },
    );
    await until(() => server.connections === 0);
    expect(accepted()).toBe(runs);
    const last = await client(port);
    last.send(question(4, 'alive.example'));
    expect(await last.ids(1)).toEqual([4]);
  });

  it('drains: accepts nothing more, closes idle connections, answers what is outstanding', async () => {
    const holding = new Holding();
    const { server, port, closedFor } = await start({ handle: holding.handle });
    const idle = await client(port);
    const busy = await client(port);
    busy.send(question(8, 'busy.example'));
    await holding.held(1);
    await until(() => server.connections === 2);
    server.drain();
    await idle.gone();
    await until(() => server.connections === 1);
    const late = await client(port);
    await late.gone();
    busy.send(question(9, 'ignored.example'));
    holding.answer(server);
    expect(await busy.ids(1)).toEqual([8]);
    await busy.gone();
    await until(() => server.connections === 0);
    expect(closedFor('shutdown')).toBe(2);
  });

  it('closes at once', async () => {
    const holding = new Holding();
    const { server, port } = await start({ handle: holding.handle });
    const busy = await client(port);
    busy.send(question(8, 'busy.example'));
    await holding.held(1);
    server.close();
    expect(server.connections).toBe(0);
    await busy.gone();
    expect(holding.answer(server)).toBe(false);
  });
});
