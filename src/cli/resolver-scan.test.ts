import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import { scanForResolvers } from './resolver-scan.ts';

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** Something that answers on `address`, with those flags and so many answers; 0 = the port chosen. */
async function device(address: string, port: number, reply: (query: Buffer) => Buffer | undefined): Promise<number> {
  const socket = createSocket('udp4');
  open.push(socket);
  socket.on('message', (query, from) => {
    const bytes = reply(query);
    if (bytes) socket.send(bytes, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(port, address, resolve));
  return socket.address().port;
}

function answer(query: Buffer, flags: number, answers: number): Buffer {
  const bytes = Buffer.concat([query, Buffer.alloc(answers * 20)]);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

test('tells open resolvers from devices that refuse, and from those that say nothing', async () => {
  const queries: Buffer[] = [];
  const port = await device('127.0.3.1', 0, (query) => {
    queries.push(query);
    return answer(query, 0x8180, 13);
  });
  await device('127.0.3.2', port, (query) => answer(query, 0x8185, 0));
  await device('127.0.3.3', port, () => undefined);
  // Answers an authority gives, and answers to another question.
  await device('127.0.3.4', port, (query) => answer(query, 0x8400, 0));
  await device('127.0.3.5', port, (query) => {
    const other = answer(query, 0x8180, 1);
    other[0]! ^= 1;
    return other;
  });
  await device('127.0.3.6', port, (query) => answer(query, 0x8180, 1));
  const addresses = [1, 2, 3, 4, 5, 6, 7].map((i) => `127.0.3.${i}`);
  const found = await scanForResolvers({ addresses, port, rate: 1000, skip: ['127.0.3.6'], lastMs: 300 });
  expect(found).toEqual([
    { address: '127.0.3.1', rcode: 'NOERROR', recursion: true, bytes: 17 + 13 * 20 },
    { address: '127.0.3.2', rcode: 'REFUSED', recursion: false, bytes: 17 },
    { address: '127.0.3.4', rcode: 'NOERROR', recursion: false, bytes: 17 },
  ]);
  // One packet an address.
  expect(queries).toHaveLength(1);
  expect(queries[0]).toHaveLength(17);
});
