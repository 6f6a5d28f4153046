/**
 * RADIUS accounting for a bench: packets of sessions that begin, go on and end, and a generator that sends so many a second
 * whether or not they are answered.
 */
import { createSocket } from 'node:dgram';
import { requestAuthenticator } from '../../src/subscribers/radius/packet.ts';

const START = 1;
const STOP = 2;
const INTERIM = 3;
/** What one session sends, one after the other; most of an ISP's accounting is Interim-Updates. */
const LIFE = [START, INTERIM, INTERIM, INTERIM, INTERIM, INTERIM, INTERIM, INTERIM, INTERIM, STOP];
const TICK_MS = 2;

/** `count` packets of many sessions that are each at another point of their life. */
export function accountingPackets(count: number, secret: Buffer): Buffer[] {
  const sessions = Math.ceil(count / LIFE.length);
  return Array.from({ length: count }, (_, i) => {
    const step = Math.floor(i / sessions);
    return accountingPacket(LIFE[step]!, i % sessions, i, secret);
  });
}

function accountingPacket(status: number, session: number, serial: number, secret: Buffer): Buffer {
  const text = (type: number, value: string) =>
    Buffer.concat([Buffer.from([type, value.length + 2]), Buffer.from(value)]);
  const framed = Buffer.from([8, 6, 100, 64 + (session >> 16), (session >> 8) & 255, session & 255]);
  const kind = Buffer.from([40, 6, 0, 0, 0, status]);
  // Tells packets apart that are alike but for their time.
  const serialText = text(77, String(serial));
  const body = [kind, text(1, `r${session}`), text(44, `s${session}`), framed, serialText];
  const packet = Buffer.concat([Buffer.from([4, serial & 255, 0, 0]), Buffer.alloc(16), ...body]);
  packet.writeUInt16BE(packet.length, 2);
  requestAuthenticator(packet, secret).copy(packet, 4);
  return packet;
}

/** Send `packets` at `rate` a second until the returned function is called, which tells how many were sent and answered. */
export function sendAccounting(
  packets: readonly Buffer[],
  from: number,
  rate: number,
  port: number,
): () => Promise<{ sent: number; answered: number; seconds: number }> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  let answered = 0;
  let sent = 0;
  const begin = performance.now();
  socket.on('message', () => answered++);
  const timer = setInterval(() => {
    const due = Math.min(packets.length - from, Math.floor(((performance.now() - begin) / 1000) * rate));
    // What the generator did not get to is not made up for in one burst.
    for (let burst = 0; sent < due && burst < rate / 100; burst++)
      socket.send(packets[from + sent++]!, port, '127.0.0.1');
  }, TICK_MS);
  return async () => {
    clearInterval(timer);
    const seconds = (performance.now() - begin) / 1000;
    await new Promise((resolve) => setTimeout(resolve, 500));
    socket.close();
    return { sent, answered, seconds };
  };
}
