/** Addresses that somebody else has, for servers that are to fail on them. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

export type Transport = 'udp' | 'tcp';

/** Take `port` on 127.0.0.1. Returns the function that lets it go. */
export async function takePort(transport: Transport, port: number): Promise<() => Promise<void>> {
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, '127.0.0.1', () => resolve());
    });
    return () => new Promise((resolve) => void socket.close(() => resolve()));
  }
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  return () => new Promise((resolve) => void server.close(() => resolve()));
}
