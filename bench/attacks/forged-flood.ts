/**
 * A flood from forged sources, on loopback: sockets bound to the victims' addresses send at a fixed rate, and what comes
 * back to them is what a victim would get. Nobody behind them comes back over TCP.
 */
import { createSocket, type Socket } from 'node:dgram';

export interface FloodResult {
  queries: number;
  bytesIn: number;
  bytesOut: number;
  answers: number;
}

/** Send `messages` in turn, from `addresses` in turn, `rate` a second for `seconds`. */
export async function forgedFlood(
  port: number,
  addresses: readonly string[],
  messages: readonly Uint8Array[],
  rate: number,
  seconds: number,
): Promise<FloodResult> {
  const result: FloodResult = { queries: 0, bytesIn: 0, bytesOut: 0, answers: 0 };
  const sockets = await Promise.all(addresses.map((address) => bound(address)));
  for (const socket of sockets) {
    socket.on('message', (message) => {
      result.bytesOut += message.length;
      result.answers++;
    });
    socket.on('error', () => {});
  }
  const begin = performance.now();
  for (let now = begin; now < begin + seconds * 1000; now = performance.now()) {
    const due = Math.floor(((now - begin) / 1000) * rate);
    // After a pause of the machine the rate goes on; what was missed is not sent in one lump.
    for (let burst = 0; result.queries < due && burst < rate / 50; burst++) {
      const message = messages[result.queries % messages.length]!;
      sockets[result.queries % sockets.length]!.send(message, port, '127.0.0.1');
      result.queries++;
      result.bytesIn += message.length;
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const socket of sockets) socket.close();
  return result;
}

function bound(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
