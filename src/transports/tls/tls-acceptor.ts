/**
 * Turns accepted TCP connections of one address into TLS ones: bounded in rate and time, with the certificates in force.
 *
 *   accepted ─▶ within the rate? ─▶ handshake (node:tls) ─▶ `ready`
 *                    └─ no: closed before any of it is computed
 */
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { standsFor } from '../../certificates/certificate-names.ts';
import type { CertificatesInForce, ShownCertificates } from '../../certificates/certificates-in-force.ts';
import { TLS_RULES } from '../../certificates/tls-rules.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import type { HandshakeGate } from './handshake-limits.ts';

/** Why a handshake was not completed, as the label of sekisho_tls_failures_total. */
const FAILURES = ['limit', 'timeout', 'version', 'cipher', 'alpn', 'not-tls', 'alert', 'closed', 'other'] as const;
type Failure = (typeof FAILURES)[number];
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

const FAILURE_OF_CODE: Readonly<Record<string, Failure>> = {
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'version',
  ERR_SSL_VERSION_TOO_LOW: 'version',
  ERR_SSL_NO_SHARED_CIPHER: 'cipher',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'cipher',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'alpn',
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_HTTP_REQUEST: 'not-tls',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'not-tls',
  ERR_SSL_UNEXPECTED_MESSAGE: 'not-tls',
  ERR_SSL_BAD_RECORD_TYPE: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  ERR_TLS_DINVALID_PACKET: 'not-tls',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
};

export interface TlsAcceptorParts {
  /** The address as configured. */
  readonly endpoint: string;
  readonly transport: 'tls' | 'https';
  /** Protocols of ALPN (RFC 7301), best first. */
  readonly protocols: readonly string[];
  readonly certificates: CertificatesInForce;
  readonly gate: HandshakeGate;
  /** A handshake must be over after this. */
  readonly handshakeMs: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** What happens to one connection. */
export interface Handshake {
  ready(secure: TLSSocket): void;
  /** Not completed; `socket` is closed. */
  failed(): void;
}

export class TlsAcceptor {
  readonly #parts: TlsAcceptorParts;
  readonly #server: Server;
  /** Begun handshakes, by the two ends of their connections. */
  readonly #begun = new Map<string, Handshake>();
  /** By places of `ShownCertificates.pairs`. */
  #contexts: SecureContext[] = [];
  #shown: ShownCertificates | undefined;
  readonly #values: Float64Array;
  readonly #completed: number[];
  readonly #failed: number;

  constructor(parts: TlsAcceptorParts) {
    this.#parts = parts;
    const { metrics, transport } = parts;
    this.#values = metrics.values;
    this.#completed = VERSIONS.flatMap((version) =>
      ['no', 'yes'].map((resumed) =>
        metrics.counter('sekisho_tls_handshakes_total', 'Completed TLS handshakes of clients.', {
          transport,
          version,
          resumed,
        }),
      ),
    );
    this.#failed = metrics.counters(
      'sekisho_tls_failures_total',
      'TLS handshakes of clients that were not completed, by reason.',
      'reason',
      FAILURES,
      { transport },
    );
    this.#server = createServer({
      ...TLS_RULES,
      ALPNProtocols: [...parts.protocols],
      handshakeTimeout: parts.handshakeMs,
      SNICallback: (name, done) => done(null, this.#contextFor(name)),
    });
    this.#server.on('secureConnection', (secure) => this.#secured(secure));
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, secure) => this.#broken(error, secure));
    this.#renew();
    parts.certificates.follow(() => this.#renew());
  }

  /** Begin the handshake on `socket`, whose client is at `words`. */
  begin(socket: Socket, words: Int32Array, handshake: Handshake): void {
    const { gate, clock } = this.#parts;
    const ends = endsOf(socket);
    if (ends === undefined || this.#contexts.length === 0) {
      this.#count('closed');
      return void handshake.failed();
    }
    if (!gate.admits(words, clock.nowMs())) {
      this.#count('limit');
      return void handshake.failed();
    }
    this.#begun.set(ends, handshake);
    socket.once('close', () => {
      // Where neither of the server's events came before.
      if (this.#begun.get(ends) !== handshake) return;
      this.#begun.delete(ends);
      this.#count('closed');
    });
    this.#server.emit('connection', socket);
  }

  #secured(secure: TLSSocket): void {
    const handshake = this.#taken(secure);
    if (handshake === undefined) return void secure.destroy();
    const version = VERSIONS.indexOf(secure.getProtocol() as (typeof VERSIONS)[number]);
    const counter = this.#completed[2 * Math.max(0, version) + (secure.isSessionReused() ? 1 : 0)];
    if (counter !== undefined) this.#values[counter]! += 1;
    if (this.#parts.transport === 'tls') oneRecordEach(secure);
    handshake.ready(secure);
  }

  #broken(error: NodeJS.ErrnoException, secure: TLSSocket): void {
    const handshake = this.#taken(secure);
    if (handshake === undefined) return;
    const code = error.code ?? '';
    this.#count(FAILURE_OF_CODE[code] ?? (code.includes('_ALERT_') ? 'alert' : 'other'));
    handshake.failed();
  }

  #taken(secure: TLSSocket): Handshake | undefined {
    const ends = endsOf(secure);
    const handshake = ends === undefined ? undefined : this.#begun.get(ends);
    if (ends !== undefined) this.#begun.delete(ends);
    return handshake;
  }

  /** Connections that stand keep what they have. */
  #renew(): void {
    const { certificates, endpoint } = this.#parts;
    const { ticketKeys } = certificates;
    const shown = certificates.of(endpoint);
    if (shown === undefined || ticketKeys === undefined) return;
    const keys = Buffer.from(ticketKeys);
    this.#shown = shown;
    this.#contexts = shown.pairs.map(({ chain, key }) =>
      createSecureContext({ ...TLS_RULES, cert: chain, key, ticketKeys: keys } as never),
    );
    const [first] = shown.pairs;
    if (first) this.#server.setSecureContext({ ...TLS_RULES, cert: first.chain, key: first.key });
    this.#server.setTicketKeys(keys);
  }

  #contextFor(name: string): SecureContext | undefined {
    const place = this.#shown?.pairs.findIndex(({ names }) => standsFor(name, names)) ?? -1;
    return this.#contexts[Math.max(0, place)];
  }

  #count(failure: Failure): void {
    this.#values[this.#failed + FAILURES.indexOf(failure)]! += 1;
  }
}

/** Unlike any other connection that is open. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress}`;
}

/**
 * Each write becomes a TLS record of its own, and what waits together is not sent as one. Clients that read a message from OpenSSL
 * and then wait for the socket never see what else the same record held (getdns 1.7, and so Stubby).
 */
function oneRecordEach(secure: TLSSocket): void {
  Object.defineProperty(secure, '_writev', { value: undefined });
}
