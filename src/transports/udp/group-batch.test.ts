import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { libc, nativeUnavailable, SOL_SOCKET } from '../../system/libc.ts';
import { openUdpClient } from '../sockets.ts';
import { GroupBatch } from './group-batch.ts';
import { BATCH } from './mmsg-batch.ts';
import { segmentsWork } from './self-test.ts';

const STRIDE = 128;
/** With it a socket sends without checksums, and the kernel refuses to cut messages up (EINVAL). */
const SO_NO_CHECK = 11;

describe.runIf(nativeUnavailable() === undefined && segmentsWork())('queries of one turn', () => {
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const close of open.splice(0)) close();
  });

  async function receiver(): Promise<{ port: number; arrived: { text: string; from: number }[] }> {
    const socket: Socket = createSocket('udp4');
    const arrived: { text: string; from: number }[] = [];
    socket.on('message', (bytes, { port }) => arrived.push({ text: bytes.toString(), from: port }));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    open.push(() => socket.close());
    return { port: socket.address().port, arrived };
  }

  function sender(port: number): number {
    let fd = -1;
    // Any port that is free; which one does not matter here.
    for (let own = 20_000; fd < 0; own++) fd = openUdpClient(addressWords('127.0.0.1'), port, own);
    open.push(() => libc().close(fd));
    return fd;
  }

  function put(batch: GroupBatch, group: number, text: string): void {
    batch.payload.set(Buffer.from(text), batch.queued * STRIDE);
    batch.add(group, text.length);
  }

  const texts = (arrived: readonly { text: string }[]) => arrived.map(({ text }) => text).sort();

  it('arrive one by one and whole, those of a group from one port, those of different groups from different ones', async () => {
    const { port, arrived } = await receiver();
    const batch = new GroupBatch(STRIDE, true);
    const expected: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const groups = [0, 1, 2, 3].map(() => batch.begin(sender(port)));
      for (let i = 0; i < BATCH; i++) {
        // One group of one length, one of many, one with every length once, one datagram alone in its group.
        const group = i === 0 ? 3 : i % 3;
        const text = `${turn}${group}${String(i).padStart(2, '0')}`.padEnd(
          group === 0 ? 6 : group === 1 ? 5 + (i % 4) : i + 4,
          'x',
        );
        expected.push(text);
        put(batch, groups[group]!, text);
      }
      expect(batch.send()).toBe(0);
      expect([batch.queued, batch.groups]).toEqual([0, 0]);
    }
    expect(batch.segments).toBe(true);
    await expect.poll(() => arrived.length).toBe(3 * BATCH);
    expect(texts(arrived)).toEqual(expected.sort());
    const portsOf = new Map<string, Set<number>>();
    for (const { text, from } of arrived) {
      const key = text.slice(0, 2);
      portsOf.set(key, (portsOf.get(key) ?? new Set()).add(from));
    }
    expect([...portsOf.values()].every((ports) => ports.size === 1)).toBe(true);
    expect(new Set([...portsOf.values()].flatMap((ports) => [...ports])).size).toBe(12);
  });

  it('take one along that is alone of its length', async () => {
    const { port, arrived } = await receiver();
    const batch = new GroupBatch(STRIDE, true);
    const texts1 = [5, 9, 2, 9, 7, 5, 3, 1].map((length, i) => String(i).repeat(length));
    const group = batch.begin(sender(port));
    for (const text of texts1) put(batch, group, text);
    expect(batch.send()).toBe(0);
    expect(batch.segments).toBe(true);
    await expect.poll(() => arrived.length).toBe(texts1.length);
    expect(texts(arrived)).toEqual(texts1.sort());
  });

  it('go one by one, none lost and none twice, once the kernel has refused to cut a message up', async () => {
    const { port, arrived } = await receiver();
    const batch = new GroupBatch(STRIDE, true);
    const [willing, refusing] = [sender(port), sender(port)];
    libc().setsockopt(refusing, SOL_SOCKET, SO_NO_CHECK, Uint8Array.of(1, 0, 0, 0), 4);
    for (const fd of [willing, refusing, willing]) {
      const group = batch.begin(fd);
      for (let i = 0; i < 3; i++) put(batch, group, `${batch.groups}${i}`);
    }
    expect(batch.send()).toBe(0);
    expect(batch.segments).toBe(false);
    await expect.poll(() => arrived.length).toBe(9);
    expect(texts(arrived)).toEqual(['10', '11', '12', '20', '21', '22', '30', '31', '32']);
  });

  it('that cannot be sent are counted, and the others go', async () => {
    const { port, arrived } = await receiver();
    const batch = new GroupBatch(STRIDE, true);
    const broken = batch.begin(-1);
    const whole = batch.begin(sender(port));
    for (let i = 0; i < 3; i++) put(batch, broken, 'lost');
    for (let i = 0; i < 2; i++) put(batch, whole, `arrive${i}`);
    expect(batch.send()).toBe(3);
    await expect.poll(() => arrived.length).toBe(2);
    expect(texts(arrived)).toEqual(['arrive0', 'arrive1']);
  });
});
