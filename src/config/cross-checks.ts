/**
 * What no single key can say: values that contradict each other, and values that are allowed but dangerous.
 */
import { addressWords, type Endpoint, endpointText, isLoopback, isWildcard, parsePrefix } from '../address/address.ts';
import { isOwnListener } from '../address/own-listener.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { Finding } from '../settings/finding.ts';
import type { Path } from '../settings/yaml-source.ts';
import type { AdminConfig, CacheConfig, ServerConfig } from './config.ts';

/** The sections that are right in themselves; the others have been complained about already. */
export interface Sections {
  readonly server?: ServerConfig | undefined;
  readonly upstreamServers?: readonly UpstreamServer[] | undefined;
  readonly cache?: CacheConfig | undefined;
  readonly admin?: AdminConfig | undefined;
}

/** Contradictions: the configuration is refused. */
export function contradictions({ server, upstreamServers, cache, admin }: Sections): Finding[] {
  return [
    ...(server ? repeated(server.listen, ['server', 'listen']) : []),
    ...(upstreamServers ? repeated(upstreamServers, ['upstream', 'servers']) : []),
    ...(server && upstreamServers ? loops(server, upstreamServers) : []),
    ...(cache ? ttlBounds(cache) : []),
    ...(server && admin ? adminPort(server, admin) : []),
  ];
}

/** Dangers: the configuration is taken, and the log says so at every start. */
export function dangers({ server, admin }: Sections): Finding[] {
  const findings: Finding[] = [];
  server?.access.forEach((text, index) => {
    const { bits } = parsePrefix(text);
    if (bits === 0 || bits === 96) {
      findings.push({
        path: ['server', 'access', index],
        message: 'allows everyone: an open resolver, which will be abused to attack others',
      });
    }
  });
  if (admin && !isLoopback(addressWords(admin.listen.address))) {
    findings.push({
      path: ['admin', 'listen'],
      message: 'is not a loopback address: tokens cross the network unencrypted unless a proxy in front adds TLS',
    });
  }
  if (admin?.singleApproverReason !== undefined)
    findings.push({
      path: ['admin', 'single-approver'],
      message: `whoever asks for a measure may approve it alone: ${admin.singleApproverReason}`,
    });
  return findings;
}

function repeated(endpoints: readonly Endpoint[], path: Path): Finding[] {
  const texts = endpoints.map(endpointText);
  return texts.flatMap((text, index) =>
    texts.indexOf(text) < index ? [{ path: [...path, index], message: `${text} is listed twice` }] : [],
  );
}

function loops({ listen }: ServerConfig, servers: readonly UpstreamServer[]): Finding[] {
  return servers.flatMap((server, index) =>
    isOwnListener(server, listen)
      ? [
          {
            path: ['upstream', 'servers', index],
            message: `${endpointText(server)} is this server itself: it would ask in circles`,
          },
        ]
      : [],
  );
}

function ttlBounds({ minTtlSeconds, maxTtlSeconds }: CacheConfig): Finding[] {
  return minTtlSeconds > maxTtlSeconds
    ? [{ path: ['cache', 'min-ttl'], message: 'must not be above cache.max-ttl' }]
    : [];
}

function adminPort({ listen }: ServerConfig, admin: AdminConfig): Finding[] {
  const { port, address } = admin.listen;
  const clash = listen.find((each) => {
    if (each.port !== port) return false;
    const sameFamily = each.address.includes(':') === address.includes(':');
    return (
      each.address === address || (sameFamily && [each.address, address].some((text) => isWildcard(addressWords(text))))
    );
  });
  if (!clash) return [];
  return [
    {
      path: ['admin', 'listen'],
      message: `${endpointText(admin.listen)} is taken by ${endpointText(clash)} of server.listen (TCP)`,
    },
  ];
}
