/** A port that nobody uses, for a server started by a test. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

/** Ports given out by this process: the kernel may offer one again before its server has bound it. */
const given = new Set<number>();

/** A port number that is free for both UDP and TCP on `host`. Somebody may still take it before you do: bind soon. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = await tryPort(host);
    if (port > 0 && !given.has(port)) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no port free for both UDP and TCP on ${host}`);
}

async function tryPort(host: string): Promise<number> {
  const tcp = createServer();
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    const port = await listen(tcp, host);
    return (await bind(udp, port, host)) ? port : -1;
  } finally {
    await closed(tcp, udp);
  }
}

function listen(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : -1);
    });
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
