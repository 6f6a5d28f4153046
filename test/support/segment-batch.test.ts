import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../src/address/address.ts';
import { AF_INET, libc, nativeUnavailable, SOL_SOCKET } from '../../src/system/libc.ts';
import { openUdpListener } from '../../src/transports/sockets.ts';
import { BATCH, NAME_STRIDE } from '../../src/transports/udp/mmsg-batch.ts';
import { segmentsWork } from '../../src/transports/udp/self-test.ts';
import { SegmentBatch } from './segment-batch.ts';

const STRIDE = 128;
/** With it a socket sends without checksums, and the kernel refuses to cut messages up (EINVAL). */
const SO_NO_CHECK = 11;

describe.runIf(nativeUnavailable() === undefined && segmentsWork())('datagrams sent together', () => {
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const close of open.splice(0)) close();
  });

  async function receiver(): Promise<{ port: number; texts: string[] }> {
    const socket: Socket = createSocket('udp4');
    const texts: string[] = [];
    socket.on('message', (bytes) => texts.push(bytes.toString()));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    open.push(() => socket.close());
    return { port: socket.address().port, texts };
  }

  function sender(): number {
    const fd = openUdpListener({ address: addressWords('127.0.0.1'), port: 0, receiveBufferBytes: 65536 });
    open.push(() => libc().close(fd));
    return fd;
  }

  function put(batch: SegmentBatch, text: string, port: number): void {
    batch.payload.set(Buffer.from(text), batch.queued * STRIDE);
    batch.names.set([AF_INET, 0, port >>> 8, port & 255, 127, 0, 0, 1], batch.queued * NAME_STRIDE);
    batch.add(16, text.length);
  }

  const words = Array.from({ length: BATCH }, (_, i) => `${i}${'x'.repeat(i % 5)}`);

  it('arrive one by one and whole, whatever their lengths and destinations', async () => {
    const [a, b] = [await receiver(), await receiver()];
    const batch = new SegmentBatch(STRIDE, true);
    const fd = sender();
    for (let turn = 0; turn < 3; turn++) {
      words.forEach((word, i) => {
        put(batch, `${turn}/${word}`, i % 3 === 0 ? a.port : b.port);
      });
      expect(batch.send(fd)).toBe(0);
      expect(batch.queued).toBe(0);
    }
    expect(batch.segments).toBe(true);
    await expect.poll(() => a.texts.length + b.texts.length).toBe(3 * BATCH);
    const expected = (to: (i: number) => boolean) =>
      [0, 1, 2].flatMap((turn) => words.filter((_, i) => to(i)).map((word) => `${turn}/${word}`)).sort();
    expect(a.texts.sort()).toEqual(expected((i) => i % 3 === 0));
    expect(b.texts.sort()).toEqual(expected((i) => i % 3 !== 0));
  });

  it('take one along that is alone of its length', async () => {
    const { port, texts } = await receiver();
    const batch = new SegmentBatch(STRIDE, true);
    const fd = sender();
    // Every length once; then some twice, some once, in no order.
    const turns = [
      words.map((_, i) => 'y'.repeat(i + 1)),
      [5, 9, 2, 9, 7, 5, 3, 1].map((length) => 'z'.repeat(length)),
    ];
    for (const turn of turns) {
      for (const text of turn) put(batch, text, port);
      expect(batch.send(fd)).toBe(0);
    }
    expect(batch.segments).toBe(true);
    await expect.poll(() => texts.length).toBe(turns.flat().length);
    expect(texts.sort()).toEqual(turns.flat().sort());
  });

  it('go one by one, none lost and none twice, once the kernel has refused to cut a message up', async () => {
    const [a, b] = [await receiver(), await receiver()];
    const batch = new SegmentBatch(STRIDE, true);
    const fd = sender();
    libc().setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, Uint8Array.of(1, 0, 0, 0), 4);
    // The longest is the first message, alone as it goes elsewhere: it has gone when the kernel refuses the second.
    const [, ...others] = words;
    for (const word of others) put(batch, word, a.port);
    put(batch, 'the longest', b.port);
    expect(batch.send(fd)).toBe(0);
    expect(batch.segments).toBe(false);
    for (let i = 0; i < 2; i++) put(batch, 'last', a.port);
    expect(batch.send(fd)).toBe(0);
    await expect.poll(() => a.texts.length).toBe(others.length + 2);
    expect(a.texts.sort()).toEqual([...others, 'last', 'last'].sort());
    expect(b.texts).toEqual(['the longest']);
  });

  it('that cannot be sent are counted, and the others go', async () => {
    const { port, texts } = await receiver();
    const batch = new SegmentBatch(STRIDE, true);
    // Port 0 is no destination (EINVAL).
    for (let i = 0; i < 3; i++) put(batch, `lost${i}`, 0);
    for (let i = 0; i < 2; i++) put(batch, `arrives${i}`, port);
    expect(batch.send(sender())).toBe(3);
    await expect.poll(() => texts.length).toBe(2);
    expect(texts.sort()).toEqual(['arrives0', 'arrives1']);
  });
});
