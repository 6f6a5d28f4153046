/** What a packet thread shows to clients of encrypted transports. */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** Of one address of `server.listen`. */
export interface ShownCertificates {
  /** As configured. */
  readonly endpoint: string;
  /** The first is shown to whoever asks for no name, or for none that is here. */
  readonly pairs: readonly { readonly chain: string; readonly key: string; readonly names: readonly string[] }[];
}

export interface PublishedCertificates {
  readonly shown: readonly ShownCertificates[];
  readonly ticketKeys: Uint8Array;
}

/** RFC 8446 §9.1; of TLS 1.2 what RFC 9325 §4.2 leaves: forward secrecy and AEAD. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** Of every context; versions and ciphers are no matter of taste. */
export const TLS_RULES: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers: CIPHERS,
  ecdhCurve: 'auto',
  // RFC 9325 §3.4: renegotiation of TLS 1.2 lets a client make the server compute again and again.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  // A ticket is good in every worker and node; Node.js would tie it to the command line.
  sessionIdContext: 'sekisho',
};

export class CertificatesInForce {
  #published: PublishedCertificates | undefined;
  readonly #followers = new Set<() => void>();

  of(endpoint: string): ShownCertificates | undefined {
    return this.#published?.shown.find((each) => each.endpoint === endpoint);
  }

  get ticketKeys(): Uint8Array | undefined {
    return this.#published?.ticketKeys;
  }

  /** `changed` is called for each publication from now on. */
  follow(changed: () => void): void {
    this.#followers.add(changed);
  }

  take(published: PublishedCertificates): void {
    this.#published = published;
    for (const changed of this.#followers) changed();
  }
}
