/** Servers that are asked together, as they are written: a list, or the name of one of `upstream.groups`. */

import { isIP } from 'node:net';
import { z } from 'zod';
import { type Endpoint, endpointText } from '../address/address.ts';
import { isOwnListener } from '../address/own-listener.ts';
import { DOT_PORT, type UpstreamServer } from '../address/upstream-server.ts';
import { MAX_SERVERS } from '../resolve/forward/servers.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import type { Finding } from '../settings/finding.ts';
import { endpoint, isName } from './texts.ts';

/** As a view's `upstream` or a zone's `forward` calls it: nothing that could be an address. */
export const GROUP_NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** RFC 8310: whom TLS is spoken to, and what happens where it is not available. */
const tlsSchema = z
  .strictObject({
    mode: z
      .enum(['strict', 'opportunistic'])
      .describe(
        '`strict`: only over TLS, and only to whom `name` or `pins` say; else it is not asked. `opportunistic`: over TLS where that is available, whoever answers; else in the clear, and TLS is tried again every five minutes.',
      ),
    port: z.int().min(1).max(65_535).default(DOT_PORT).describe('Port of DNS over TLS.'),
    name: z
      .string()
      .min(1)
      .max(253)
      .refine((text) => isIP(text) !== 0 || isName(text), { error: 'is neither a domain name nor an address' })
      .optional()
      .describe('Name or address that its certificate is for; checked against `upstream.ca-file`.'),
    pins: z
      .array(z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'is no SHA-256 in base64 (44 characters)'))
      .min(1)
      .max(10)
      .optional()
      .describe(
        'SHA-256 of its public key (SubjectPublicKeyInfo) in base64, one for each key that it may have; suffices without `name`, and with it both must fit.',
      ),
  })
  .superRefine(({ mode, name, pins }, context) => {
    const complain = (message: string) => context.addIssue({ code: 'custom', path: ['mode'], message });
    if (mode === 'strict' && name === undefined && pins === undefined)
      complain('strict needs `name` or `pins`: it has to know whom it speaks to');
    if (mode === 'opportunistic' && (name !== undefined || pins !== undefined))
      complain('opportunistic checks nobody: leave out `name` and `pins`, or write strict');
  });

export const serversSchema = z
  .array(
    z.union([
      endpoint({ defaultPort: 53 }),
      z.strictObject({
        address: endpoint({ defaultPort: 53 }).describe('Address of the resolver; port 53 unless given.'),
        trusted: z
          .boolean()
          .default(false)
          .describe('It validates DNSSEC and the way to it is safe, so its AD flag may be passed on to clients.'),
        tls: tlsSchema.optional().describe('Speak DNS over TLS to it.'),
      }),
    ]),
  )
  .min(1)
  .max(MAX_SERVERS);

/** A list of servers, or a group's name. */
export const groupSchema = z.union([
  z.string().regex(GROUP_NAME, 'is no name of a group; write a list of servers, or the name of one of upstream.groups'),
  serversSchema,
]);

export type ServerGroups = Readonly<Record<string, readonly UpstreamServer[]>>;

export function serversOf(written: z.output<typeof serversSchema>): UpstreamServer[] {
  return written.map((server) => {
    if (!('trusted' in server)) return { ...server, trusted: false };
    const { address, trusted, tls } = server;
    if (tls === undefined) return { ...address, trusted };
    // Where nothing goes in the clear, the port of the clear is none.
    return { ...address, ...(tls.mode === 'strict' && { port: tls.port }), trusted, tls: { ...tls } };
  });
}

/** The servers meant, and what is wrong with them; paths begin at the value. `listen`: undefined where it is wrong itself. */
export function chosenServers(
  written: z.output<typeof groupSchema>,
  groups: ServerGroups,
  listen: readonly Endpoint[] | undefined,
): { readonly servers: readonly UpstreamServer[]; readonly findings: readonly Finding[] } {
  if (typeof written !== 'string') {
    const servers = serversOf(written);
    return { servers, findings: loops(servers, listen) };
  }
  const servers = Object.hasOwn(groups, written) ? groups[written] : undefined;
  if (servers) return { servers, findings: [] };
  const names = Object.keys(groups);
  const close = didYouMean(written, names);
  const known = names.length === 0 ? 'there are none' : `known: ${names.join(', ')}`;
  const hint = close === undefined ? known : `did you mean '${close}'?`;
  return { servers: [], findings: [{ path: [], message: `'${written}' is none of upstream.groups; ${hint}` }] };
}

/** Servers that are this server itself. */
export function loops(servers: readonly UpstreamServer[], listen: readonly Endpoint[] | undefined): Finding[] {
  return servers.flatMap((server, i) =>
    listen && isOwnListener(server, listen)
      ? [{ path: [i], message: `${endpointText(server)} is this server itself: this would create a forwarding loop` }]
      : [],
  );
}
