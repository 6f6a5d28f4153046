/** What every TLS connection keeps to, whichever side begins it; versions and ciphers are no matter of taste. */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

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

export const TLS_RULES: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers: CIPHERS,
  ecdhCurve: 'auto',
  // RFC 9325 §3.4: renegotiation of TLS 1.2 lets a client make the server compute again and again.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  // A ticket is good in every worker and node; Node.js would tie it to the command line.
  sessionIdContext: 'sekisho',
};
