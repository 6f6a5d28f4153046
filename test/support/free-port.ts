/** A port that nobody uses, for a server started by a test. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

/** Ports given out by this process: one may be tried again before its server has bound it. */
const given = new Set<number>();

/**
 * Below those that the kernel gives to whoever asks for none (ip_local_port_range): a server that is killed and started again finds
 * its port still free, whatever other tests open meanwhile.
 */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** A port number that is free for both UDP and TCP on `host`. Somebody may still take it before you do: bind soon. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port) || !(await isFree(port, host))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port free for both UDP and TCP on ${host}`);
}

async function isFree(port: number, host: string): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    return (await listen(tcp, port, host)) && (await bind(udp, port, host));
  } finally {
    await closed(tcp, udp);
  }
}

function listen(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, host, () => resolve(true));
  });
}

function bind(socket: Socket, port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(port, host, () => resolve(true));
  });
}

async function closed(tcp: Server, udp: Socket): Promise<void> {
  await new Promise<void>((resolve) => tcp.close(() => resolve()));
  await new Promise<void>((resolve) => udp.close(() => resolve()));
}
