/** A resolver behind TLS that shows what came: for what a real one keeps to itself. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { decode, encode } from 'dns-packet';
import type { TestCertificate } from './certificates.ts';

export interface DotServer {
  readonly port: number;
  readonly connections: { readonly alpn: string | false | null; readonly resumed: boolean }[];
  /** Lengths of the queries, and how often each name came. */
  readonly lengths: number[];
  readonly asked: Map<string, number>;
  /** Answers are kept back while it is set. */
  holding: boolean;
  /** What was kept back goes out, the last one first. */
  release(): void;
  /** End all connections, without an answer to what is under way. */
  hangUp(): void;
  stop(): Promise<void>;
}

export async function startDotServer({ certificate, key }: TestCertificate): Promise<DotServer> {
  const open = new Set<TLSSocket>();
  const held: (() => void)[] = [];
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key), ALPNProtocols: ['dot'] },
    (socket) => {
      shown.connections.push({ alpn: socket.alpnProtocol, resumed: socket.isSessionReused() });
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => open.delete(socket));
      let rest = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
          const bytes = rest.subarray(2, 2 + rest.readUInt16BE(0));
          rest = rest.subarray(2 + bytes.length);
          const answer = take(bytes);
          if (shown.holding) held.push(() => socket.write(answer));
          else socket.write(answer);
        }
      });
    },
  );
  const take = (bytes: Buffer): Buffer => {
    const { id, questions = [] } = decode(bytes);
    const [question] = questions;
    const name = question!.name.toLowerCase();
    shown.lengths.push(bytes.length);
    shown.asked.set(name, (shown.asked.get(name) ?? 0) + 1);
    const message = encode({
      type: 'response',
      id: id!,
      flags: 0x180,
      questions,
      answers: question!.type === 'A' ? [{ type: 'A', name: question!.name, ttl: 300, data: '192.0.2.7' }] : [],
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never],
    });
    return Buffer.concat([Buffer.of(message.length >>> 8, message.length & 255), message]);
  };
  const shown = {
    port: 0,
    connections: [] as DotServer['connections'],
    lengths: [] as number[],
    asked: new Map<string, number>(),
    holding: false,
    release() {
      shown.holding = false;
      for (const send of held.splice(0).reverse()) send();
    },
    hangUp() {
      held.length = 0;
      for (const socket of open) socket.destroy();
    },
    async stop() {
      shown.hangUp();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  shown.port = (server.address() as AddressInfo).port;
  return shown;
}
