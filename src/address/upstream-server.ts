/** A server that questions are forwarded to. */
import type { Endpoint } from './address.ts';

/** Port of DNS over TLS (RFC 7858 §3.1). */
export const DOT_PORT = 853;

/** How a server is spoken to over TLS (RFC 8310 §5). */
export interface UpstreamTls {
  /**
   * `strict`: nothing goes to it but over TLS, to the server that `name` or `pins` prove; where TLS is not available, it is not asked.
   * `opportunistic`: TLS where it is available, whoever answers, else the clear.
   */
  readonly mode: 'strict' | 'opportunistic';
  readonly port: number;
  /** Name or address that its certificate must be for. */
  readonly name?: string | undefined;
  /** SHA-256 of the public key (SubjectPublicKeyInfo), base64: one of them must be the certificate's (RFC 7858 §4.2). */
  readonly pins?: readonly string[] | undefined;
}

export interface UpstreamServer extends Endpoint {
  /** Its AD bit is believed and may be passed on (RFC 4035 §3.2.3): it validates, and the way to it is safe. */
  readonly trusted: boolean;
  readonly tls?: UpstreamTls;
}
