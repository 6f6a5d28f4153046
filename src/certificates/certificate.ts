/** A certificate and its private key, read from their files and tried before anybody is shown them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { CertificateFiles } from '../address/listen-entry.ts';
import { errorText } from '../errors/errors.ts';

/** More than any chain, and little enough to read whole. */
const MAX_FILE_BYTES = 1 << 20;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** RSA keys below are refused by clients of the field (NIST SP 800-131A). */
const LEAST_RSA_BITS = 2048;

export interface Certificate {
  readonly files: CertificateFiles;
  /** PEM: certificate, then those that lead to an authority. */
  readonly chain: string;
  /** PEM. A secret. */
  readonly key: string;
  /** DNS names it is for, lower-case, `*.` at the beginning where it is for all below. */
  readonly names: readonly string[];
  /** IP addresses it is for (RFC 9462 §4.2 wants the resolver's). */
  readonly addresses: readonly string[];
  readonly beginsMs: number;
  readonly endsMs: number;
  /** What clients may dislike: it is shown anyway. */
  readonly doubts: readonly string[];
}

/** What is wrong with one of the two files. The message quotes nothing of a key. */
export interface CertificateProblem {
  readonly file: string;
  readonly message: string;
}

/** Read both files. `nowMs`: wall clock. */
export async function readCertificate(
  files: CertificateFiles,
  nowMs: number,
): Promise<Certificate | CertificateProblem> {
  const chain = await readPem(files.certificate);
  if (typeof chain !== 'string') return { file: files.certificate, message: chain.message };
  const key = await readPem(files.key);
  if (typeof key !== 'string') return { file: files.key, message: key.message };

  const blocks = chain.match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0) return { file: files.certificate, message: 'holds no certificate in PEM form' };
  const parsed: X509Certificate[] = [];
  for (const [i, block] of blocks.entries()) {
    try {
      parsed.push(new X509Certificate(block));
    } catch {
      return { file: files.certificate, message: `certificate ${i + 1} of ${blocks.length} cannot be read` };
    }
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    const encrypted = key.includes('ENCRYPTED');
    const message = encrypted
      ? 'is encrypted: write the key without a passphrase, in a file that the server alone may read'
      : 'holds no private key in PEM form';
    return { file: files.key, message };
  }
  const [leaf] = parsed;
  if (leaf === undefined || !leaf.checkPrivateKey(privateKey))
    return { file: files.key, message: `is not the private key of the first certificate of ${files.certificate}` };
  const { names, addresses } = subjectsOf(leaf);
  const beginsMs = Date.parse(leaf.validFrom);
  const endsMs = Date.parse(leaf.validTo);
  const doubts = [
    ...(nowMs >= endsMs ? [`the certificate ended on ${day(endsMs)}: renew it`] : []),
    ...(nowMs < beginsMs ? [`the certificate begins on ${day(beginsMs)} only`] : []),
    ...(names.length + addresses.length === 0
      ? ['the certificate is for no name and no address (subjectAltName)']
      : []),
    ...chainDoubts(parsed),
    ...keyDoubts(privateKey),
  ];
  return { files, chain, key, names, addresses, beginsMs, endsMs, doubts };
}

export function isProblem(found: Certificate | CertificateProblem): found is CertificateProblem {
  return 'message' in found;
}

async function readPem(file: string): Promise<string | { message: string }> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) return { message: 'is larger than 1 MiB: no PEM file is' };
    return await readFile(file, 'latin1');
  } catch (error) {
    return { message: `cannot be read: ${errorText(error)}` };
  }
}

function subjectsOf(leaf: X509Certificate): { names: string[]; addresses: string[] } {
  const entries = (leaf.subjectAltName ?? '').split(/, (?=[A-Z])/);
  const after = (kind: string) =>
    entries.filter((entry) => entry.startsWith(kind)).map((entry) => entry.slice(kind.length).toLowerCase());
  return { names: after('DNS:'), addresses: after('IP Address:') };
}

function chainDoubts(chain: readonly X509Certificate[]): string[] {
  const broken = chain.findIndex((each, i) => i > 0 && !chain[i - 1]!.checkIssued(each));
  return broken < 0 ? [] : [`certificate ${broken + 1} of the file did not issue the one before it`];
}

function keyDoubts({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string[] {
  const bits = asymmetricKeyDetails?.modulusLength ?? LEAST_RSA_BITS;
  return asymmetricKeyType === 'rsa' && bits < LEAST_RSA_BITS ? [`the key has ${bits} bits: clients refuse it`] : [];
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
