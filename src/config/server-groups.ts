/** Servers that are asked together, as they are written: a list, or the name of one of `upstream.groups`. */
import { z } from 'zod';
import { type Endpoint, endpointText } from '../address/address.ts';
import { isOwnListener } from '../address/own-listener.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import { MAX_SERVERS } from '../resolve/forward/servers.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import type { Finding } from '../settings/finding.ts';
import { endpoint } from './texts.ts';

/** As a view's `upstream` or a zone's `forward` calls it: nothing that could be an address. */
export const GROUP_NAME = /^[a-z][a-z0-9-]{0,62}$/;

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
  return written.map((server) =>
    'trusted' in server ? { ...server.address, trusted: server.trusted } : { ...server, trusted: false },
  );
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
