/** How a connection to an upstream is begun: TCP in the clear, or TLS (RFC 7858, RFC 8310). */
import { createHash } from 'node:crypto';
import { createConnection, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect, createSecureContext, type TLSSocket } from 'node:tls';
import type { UpstreamTls } from '../../address/upstream-server.ts';
import { TLS_RULES } from '../../certificates/tls-rules.ts';

/** Why a connection did not come about, or broke: also a label of metrics. */
export const DIAL_FAILURES = ['refused', 'timeout', 'certificate', 'pin', 'tls', 'closed'] as const;
export type DialFailure = (typeof DIAL_FAILURES)[number];

export interface Dialer {
  /** Begin. The socket is useful from the event `ready` on; before it nothing must be written. */
  dial(): Socket;
  readonly ready: 'connect' | 'secureConnect';
  /** Called once it is ready: undefined where it leads to whom it should. */
  check(socket: Socket): DialFailure | undefined;
}

export function tcpDialer(host: string, port: number): Dialer {
  return {
    dial: () => createConnection({ host, port, noDelay: true }),
    ready: 'connect',
    check: () => undefined,
  };
}

/**
 * `authorities`: certificates (PEM) of those who may vouch for a server's; those that Node.js brings unless given. What was
 * learnt of a session resumes it on the next connection.
 */
export function tlsDialer(host: string, tls: UpstreamTls, authorities: string | undefined): Dialer {
  const { mode, port, name, pins } = tls;
  // RFC 8310 §5: opportunistic takes whoever answers. A pin stands for the authorities, a name needs them.
  const vouched = mode === 'strict' && name !== undefined;
  const context = createSecureContext({ ...TLS_RULES, ...(authorities !== undefined && { ca: authorities }) });
  let session: Buffer | undefined;
  return {
    dial: () => {
      const options: ConnectionOptions = {
        host,
        port,
        secureContext: context,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['dot'],
        rejectUnauthorized: vouched,
        ...(name !== undefined && {
          ...(isIP(name) === 0 && { servername: name }),
          checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
        }),
        ...(session && { session }),
      };
      const socket = connect(options);
      socket.setNoDelay(true);
      socket.on('session', (told) => {
        session = told;
      });
      return socket;
    },
    ready: 'secureConnect',
    check: (socket) => {
      if (mode !== 'strict' || pins === undefined) return undefined;
      const held = pinOf(socket as TLSSocket);
      if (held !== undefined && pins.includes(held)) return undefined;
      session = undefined;
      return 'pin';
    },
  };
}

/** SHA-256 of the certificate's SubjectPublicKeyInfo, base64 (RFC 7858 §4.2). */
function pinOf(socket: TLSSocket): string | undefined {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
  return key && createHash('sha256').update(key).digest('base64');
}

/** In one of the words that metrics know. */
export function dialFailure(error: Error & { code?: string }): DialFailure {
  const code = error.code ?? '';
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EACCES|EPERM)$/.test(code)) return 'refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  // OpenSSL's verdicts on a chain, and Node.js's on its name.
  if (/CERT|SELF_SIGNED|UNABLE_TO_|CRL|PATH_LENGTH|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH/.test(code))
    return 'certificate';
  if (/^(ERR_SSL|EPROTO|ERR_TLS)/.test(code)) return 'tls';
  return 'closed';
}
