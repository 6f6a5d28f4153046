/** What is spoken on the stream connections of each address, in one worker. */
import { endpointText } from '../address/address.ts';
import type { ListenEntry } from '../address/listen-entry.ts';
import { CERTIFICATES } from '../certificates/feature.ts';
import type { PacketHandler } from '../chain/routes.ts';
import type { DataHalves } from '../feature/data-halves.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Clock } from '../time/clock.ts';
import { HTTPS, TCP, TLS } from '../wire/query.ts';
import { DohServer } from './https/doh-server.ts';
import { ProxiedClients } from './proxy/proxied-clients.ts';
import type { Spoken, TcpServer } from './tcp/tcp.ts';
import type { TcpConnection } from './tcp/tcp-connection.ts';
import { CLOSED_HANDSHAKE, type TcpLimits } from './tcp/tcp-limits.ts';
import { HandshakeGate, type HandshakeLimits } from './tls/handshake-limits.ts';
import { TlsAcceptor } from './tls/tls-acceptor.ts';

/** RFC 7858 §3.1 leaves ALPN open; clients that send it say this (IANA's registry of ALPN protocol ids). */
const PROTOCOLS = { tls: ['dot'], https: ['h2', 'http/1.1'] } as const;

export interface StreamParts {
  readonly tcp: TcpServer;
  readonly features: DataHalves;
  readonly handle: PacketHandler;
  readonly limits: TcpLimits;
  readonly handshakes: HandshakeLimits;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly nudge: () => void;
}

export class StreamTransports {
  readonly #parts: StreamParts;
  readonly #gate: HandshakeGate;
  /** Answers go back through it; undefined where it is spoken nowhere. */
  doh: DohServer | undefined;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#gate = new HandshakeGate(parts.handshakes);
  }

  spokenAt(entry: ListenEntry): Spoken {
    const { metrics } = this.#parts;
    const proxied = entry.proxies && new ProxiedClients(entry.proxies, metrics);
    if (entry.transport === undefined) return { transport: TCP, proxied };
    return {
      transport: entry.transport === 'tls' ? TLS : HTTPS,
      proxied,
      begin: this.#beginAt(entry, entry.transport),
    };
  }

  /** To be called about every 100 ms. */
  tick(nowMs: number): void {
    this.doh?.tick(nowMs);
  }

  #beginAt(entry: ListenEntry, transport: 'tls' | 'https'): NonNullable<Spoken['begin']> {
    const { tcp, features, limits, clock, metrics, nudge } = this.#parts;
    const acceptor = new TlsAcceptor({
      endpoint: endpointText(entry),
      transport,
      protocols: PROTOCOLS[transport],
      certificates: features.of(CERTIFICATES),
      gate: this.#gate,
      handshakeMs: limits.messageMs,
      clock,
      metrics,
    });
    if (transport === 'https') this.doh ??= new DohServer({ ...this.#parts, table: tcp.table });
    const doh = transport === 'https' ? this.doh : undefined;
    const { table } = tcp;
    return (connection: TcpConnection, socket) => {
      const { generation } = connection;
      const its = () => connection.generation === generation && connection.socket === socket;
      socket.on('error', () => {
        if (its()) connection.failed = true;
      });
      socket.on('close', () => {
        if (its()) table.release(connection, CLOSED_HANDSHAKE);
      });
      nudge();
      acceptor.begin(socket, connection.clientWords, {
        ready: (secure) => {
          if (!its() || connection.closing >= 0) return void secure.destroy();
          connection.quietSinceMs = clock.nowMs();
          if (doh) doh.begin(connection, secure, entry.path ?? '');
          else tcp.serve(connection, secure);
        },
        failed: () => {
          if (its()) table.destroy(connection, CLOSED_HANDSHAKE);
        },
      });
    };
  }
}
