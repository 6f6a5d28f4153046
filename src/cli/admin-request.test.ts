import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server as SocketServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { askAdmin, type Patience } from './admin-request.ts';
import { withProgress } from './progress.ts';

/** Looks as fast as they come; what is silent is given up after three of them. */
const QUICK: Patience = { connectMs: 5_000, lookMs: 20, silentMs: 60 };
const RELOAD = { method: 'POST', path: '/v1/lists/feed/reload?x=1', headers: {}, body: '{}' };

const open: { server: Server | SocketServer; end(): void }[] = [];
afterEach(async () => {
  for (const { server, end } of open.splice(0)) {
    end();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<{ address: string; port: number; end(): void }> {
  const server = createServer(listener);
  const end = () => server.closeAllConnections();
  open.push({ server, end });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, end };
}

describe('a request that takes long', () => {
  it('is waited for as long as the server answers its health check, however many looks that takes', async () => {
    let looks = 0;
    let finish = () => {};
    const server = await serve((request, response) => {
      if (request.url === '/healthz') {
        response.end('{}');
        // Far more than those after which a silent server is given up.
        if (++looks === 12) finish();
        return;
      }
      finish = () => response.end('{"result":"accepted"}');
    });
    expect(await askAdmin(server, RELOAD, QUICK)).toEqual({ status: 200, text: '{"result":"accepted"}' });
    expect(looks).toBeGreaterThanOrEqual(12);
  });

  it('outlives a server that is too busy for a few health checks, and says so', async () => {
    const said: string[] = [];
    let looks = 0;
    let finish = () => {};
    const server = await serve((request, response) => {
      if (request.url !== '/healthz') {
        finish = () => response.end('{}');
        return;
      }
      // Two that stay without an answer, then one with, then the command is done.
      looks++;
      if (looks >= 3) response.end('{}');
      if (looks === 5) finish();
    });
    await askAdmin(server, RELOAD, QUICK, (words) => said.push(words));
    expect(said[0]).toContain('does not answer its health check (1 in a row)');
    expect(said).toContain('');
  });

  it('ends where the server hangs: it took the request and does not even answer its health check', async () => {
    const server = await serve(() => {});
    await expect(askAdmin(server, RELOAD, QUICK)).rejects.toMatchObject({
      code: 'SEKISHO_SERVER_LOST',
      message: expect.stringMatching(/took POST \/v1\/lists\/feed\/reload and has not answered .* it hangs$/),
    });
  });

  it('ends where the server ended while it was at work', async () => {
    const sockets = createSocketServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        sockets.close();
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => sockets.listen(0, '127.0.0.1', resolve));
    const { port } = sockets.address() as AddressInfo;
    await expect(askAdmin({ address: '127.0.0.1', port }, RELOAD, QUICK)).rejects.toMatchObject({
      code: 'SEKISHO_SERVER_LOST',
      message: `the server at 127.0.0.1:${port} ended while it was at work on POST /v1/lists/feed/reload`,
    });
  });

  it('ends where the server let go of it and answers again, and says that', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/healthz') response.end('{}');
      else request.socket.destroy();
    });
    await expect(askAdmin(server, RELOAD, QUICK)).rejects.toMatchObject({
      code: 'SEKISHO_SERVER_LOST',
      message: expect.stringContaining('and answers again: was it restarted?'),
    });
  });

  it('is told apart from a server that does not run', async () => {
    const server = await serve(() => {});
    const [{ server: listening } = { server: undefined }] = open.splice(0);
    await new Promise((resolve) => listening?.close(resolve));
    await expect(askAdmin(server, RELOAD, QUICK)).rejects.toMatchObject({
      code: 'SEKISHO_SERVER_UNREACHABLE',
      message: `no running server answers at 127.0.0.1:${server.port} (admin.listen): ECONNREFUSED`,
    });
  });

  it('is told apart from something that does not speak HTTP', async () => {
    const server = createSocketServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end('220 mail ready\r\n');
    });
    open.push({ server, end: () => {} });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(askAdmin({ address: '127.0.0.1', port }, RELOAD, QUICK)).rejects.toMatchObject({
      code: 'SEKISHO_SERVER_ANSWER',
    });
  });
});

describe('what is shown meanwhile', () => {
  const terminal = { out: () => {}, env: {}, workFolder: '/' };

  it.each([
    ['counts in one line at a terminal', true, /^\rstill fetching feed … \d+ s\x1b\[K$/],
    ['is whole lines in a file', false, /^still fetching feed … \d+ s\n$/],
  ])('%s', async (_, isTerminal, expected) => {
    const first = await new Promise<string>((resolve) => {
      let done = () => {};
      const err = (text: string) => {
        resolve(text);
        done();
      };
      const work = () =>
        new Promise<void>((finish) => {
          done = finish;
        });
      void withProgress('still fetching feed', { ...terminal, err, isTerminal }, work);
    });
    expect(first).toMatch(expected);
  });

  it('is nothing for what is done soon', async () => {
    const shown: string[] = [];
    const err = (text: string) => void shown.push(text);
    expect(await withProgress('still fetching', { ...terminal, err, isTerminal: true }, async () => 7)).toBe(7);
    expect(shown).toEqual([]);
  });
});
