/** Certificates for tests, made by OpenSSL: self-signed, so that a client which knows one trusts it alone. */
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { requireProgram } from './debian.ts';

export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
  /** PEM of the certificate: what a client trusts. */
  readonly pem: string;
}

export interface TestCertificateOptions {
  /** As `subjectAltName` has it. */
  names?: string;
  days?: number;
  /** Default P-256. */
  rsaBits?: number;
}

let made = 0;

/** Make `name.crt` and `name.key` in `folder`; files of these names are replaced at once, as renewing programs do it. */
export function makeCertificate(
  folder: string,
  name: string,
  { names = 'DNS:dns.example.test,IP:127.0.0.1', days = 30, rsaBits }: TestCertificateOptions = {},
): TestCertificate {
  const certificate = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const kind = rsaBits === undefined ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : [`rsa:${rsaBits}`];
  execFileSync(
    requireProgram('openssl'),
    [
      ...['req', '-x509', '-newkey', ...kind, '-nodes', '-days', String(days), '-subj', `/CN=test ${++made}`],
      ...['-addext', `subjectAltName=${names}`, '-keyout', `${key}.new`, '-out', `${certificate}.new`],
    ],
    { stdio: 'ignore' },
  );
  renameSync(`${certificate}.new`, certificate);
  renameSync(`${key}.new`, key);
  return { certificate, key, pem: readFileSync(certificate, 'latin1') };
}

/** SHA-256 of its public key in base64, as clients pin it (RFC 7858 §4.2). */
export function pinOf({ pem }: TestCertificate): string {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}
