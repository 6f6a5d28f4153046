/** `server.listen`: where queries are taken, and what is spoken there. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { AddressError, parseEndpoint } from '../address/address.ts';
import type { ListenEntry } from '../address/listen-entry.ts';
import { endpoint, prefix } from './texts.ts';

const MAX_LISTENERS = 64;
const MAX_CERTIFICATES = 16;
/** RFC 7858 §3.1, RFC 8484 §8.1. */
const DEFAULT_PORTS = { dns: 53, tls: 853, https: 443 } as const;
const DEFAULT_PATH = '/dns-query';

const certificateFile = z
  .string()
  .min(1)
  .describe('PEM file: the certificate, and behind it those that lead to an authority.');
const keyFile = z.string().min(1).describe("PEM file of the certificate's private key, readable for the server alone.");

const entrySchema = z
  .strictObject({
    address: z
      .string()
      .describe('Address that takes queries; port 53 unless given, 853 with `transport: tls`, 443 with `https`.'),
    transport: z
      .enum(['tls', 'https'])
      .optional()
      .describe('`tls`: DNS over TLS (RFC 7858). `https`: DNS over HTTPS (RFC 8484), HTTP/2. Without it: UDP and TCP.'),
    certificate: certificateFile.optional(),
    key: keyFile.optional(),
    certificates: z
      .array(z.strictObject({ certificate: certificateFile, key: keyFile }))
      .max(MAX_CERTIFICATES)
      .optional()
      .describe('Further certificates: the one whose name the client asks for (SNI) is shown, else the first.'),
    path: z
      .string()
      .regex(/^\/[\w.~/-]*$/, 'must begin with / and hold letters, digits and . _ ~ / - alone')
      .max(256)
      .optional()
      .describe(`Path of DNS over HTTPS; \`${DEFAULT_PATH}\` unless given.`),
    'proxy-protocol': z
      .array(prefix())
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'Networks of the proxies that are heard here, and nobody else: each datagram and each stream begins with a header of the PROXY protocol, version 2, which names the client.',
      ),
  })
  .superRefine((entry, context) => {
    const { transport } = entry;
    const issue = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    const given = (['certificate', 'key', 'certificates', 'path'] as const).filter((key) => entry[key] !== undefined);
    if (transport === undefined) for (const key of given) issue(key, 'means nothing without transport: tls or https');
    else {
      for (const key of ['certificate', 'key'] as const)
        if (entry[key] === undefined) issue('transport', `${transport} needs ${key}: FILE`);
      if (transport === 'tls' && entry.path !== undefined) issue('path', 'means nothing without transport: https');
    }
    try {
      parseEndpoint(entry.address, { defaultPort: 53 });
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      issue('address', error.message);
    }
  });

/** `defaults`: what is listened on unless told otherwise. */
export function listenSchema(defaults: string[]) {
  return z
    .array(z.union([endpoint({ defaultPort: 53 }), entrySchema]))
    .min(1)
    .max(MAX_LISTENERS)
    .prefault(defaults)
    .describe(
      'Addresses that take queries. Text, or `{ address: … }`: over UDP and TCP; with `transport`, encrypted. `0.0.0.0` and `[::]` stand for every address of the machine.',
    );
}

/** Files are relative to `baseFolder`. */
export function listenEntries(section: z.infer<ReturnType<typeof listenSchema>>, baseFolder: string): ListenEntry[] {
  return section.map((entry) => {
    if ('port' in entry) return entry;
    const { address, transport, certificate, key, certificates = [], path, 'proxy-protocol': proxies } = entry;
    const pairs = certificate !== undefined && key !== undefined ? [{ certificate, key }, ...certificates] : [];
    return {
      ...parseEndpoint(address, { defaultPort: DEFAULT_PORTS[transport ?? 'dns'] }),
      ...(transport !== undefined && {
        transport,
        certificates: pairs.map((pair) => ({
          certificate: resolve(baseFolder, pair.certificate),
          key: resolve(baseFolder, pair.key),
        })),
      }),
      ...(transport === 'https' && { path: path ?? DEFAULT_PATH }),
      ...(proxies && { proxies }),
    };
  });
}
