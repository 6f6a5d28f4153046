/** `server.tls`, and the certificates that `server.listen` names: read when the configuration is, so that mistakes have a line. */
import { z } from 'zod';
import type { ListenEntry } from '../address/listen-entry.ts';
import { type Certificate, isProblem, readCertificate } from '../certificates/certificate.ts';
import { TICKET_SECRET_BYTES } from '../certificates/ticket-keys.ts';
import type { Finding } from '../settings/finding.ts';
import type { DesignatedResolver } from '../zones/designated.ts';

export const tlsSchema = z
  .strictObject({
    handshakes: z
      .int()
      .min(1)
      .max(100_000)
      .default(400)
      .describe(
        'TLS handshakes that each worker begins in a second; each costs about a millisecond of processor time.',
      ),
    'handshakes-per-network': z
      .int()
      .min(1)
      .max(100_000)
      .default(40)
      .describe('Of these, those of one client network (IPv4 /24, IPv6 /56).'),
    'ticket-secret-file': z
      .string()
      .min(1)
      .optional()
      .describe(
        `File with a secret of ${2 * TICKET_SECRET_BYTES} hexadecimal digits (openssl rand -hex ${TICKET_SECRET_BYTES}) that the servers of a fleet share, so that TLS sessions resume on any of them. Without it each process makes its own.`,
      ),
  })
  .prefault({})
  .describe('DNS over TLS and HTTPS; where they are spoken, `listen` says.');

export interface TlsConfig {
  /** Per second and worker. */
  readonly handshakes: { readonly perSecond: number; readonly perNetwork: number };
  /** Of session tickets, hexadecimal. */
  readonly tickets?: { readonly secret: string };
}

export interface LoadedCertificates {
  readonly problems: readonly Finding[];
  readonly dangers: readonly Finding[];
  /** What DDR may tell (RFC 9462). */
  readonly designated: readonly DesignatedResolver[];
}

export async function loadCertificates(listen: readonly ListenEntry[], nowMs: number): Promise<LoadedCertificates> {
  const problems: Finding[] = [];
  const dangers: Finding[] = [];
  const designated: DesignatedResolver[] = [];
  for (const [i, entry] of listen.entries()) {
    const { transport, certificates = [], address, port, path } = entry;
    if (transport === undefined) continue;
    for (const [pair, files] of certificates.entries()) {
      const at = ['server', 'listen', i, ...(pair === 0 ? [] : ['certificates', pair - 1])];
      const found = await readCertificate(files, nowMs);
      if (isProblem(found)) {
        const key = found.file === files.key ? 'key' : 'certificate';
        problems.push({ path: [...at, key], message: `${found.file} ${found.message}` });
        continue;
      }
      for (const doubt of found.doubts) dangers.push({ path: [...at, 'certificate'], message: doubt });
      const name = pair === 0 ? nameOf(found) : undefined;
      if (name !== undefined) designated.push({ name, transport, address, port, ...(path !== undefined && { path }) });
    }
  }
  return { problems, dangers, designated };
}

/** The secret in the file's text, or what is wrong with it; quotes none of it. */
export function parseTicketSecret(text: string): { secret: string } | { problem: string } {
  const digits = text.trim().toLowerCase();
  return new RegExp(`^[0-9a-f]{${2 * TICKET_SECRET_BYTES}}$`).test(digits)
    ? { secret: digits }
    : {
        problem: `expected ${2 * TICKET_SECRET_BYTES} hexadecimal digits and nothing else (openssl rand -hex ${TICKET_SECRET_BYTES})`,
      };
}

/** The first that is no pattern. */
function nameOf({ names }: Certificate): string | undefined {
  return names.find((name) => !name.startsWith('*'));
}
