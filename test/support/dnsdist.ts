/** dnsdist in front of one server: one UDP listener thread, with or without its packet cache. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import type { DnsServer } from './nsd.ts';
import { startProcess, temporaryFolder } from './process.ts';
import type { ForwarderOptions } from './unbound.ts';

export interface DnsdistOptions extends ForwarderOptions {
  /** Queries taken from the kernel with one call (`recvmmsg`); 1 is dnsdist's default. */
  batch?: number;
  /** Says who the client is (PROXY protocol v2). */
  useProxyProtocol?: boolean;
}

export async function startDnsdist(options: DnsdistOptions): Promise<DnsServer> {
  const folder = temporaryFolder('dnsdist');
  const port = await freePort();
  const config = dnsdistConfig(port, options);
  const file = join(folder, 'dnsdist.conf');
  writeFileSync(file, config);
  const running = await startProcess({
    name: 'dnsdist',
    command: requireProgram('dnsdist'),
    args: ['--supervised', '--disable-syslog', '-C', file],
    ...(options.core === undefined ? {} : { core: options.core }),
    ready: () => answers(port, options.probeName),
  });
  return { ...running, port, config };
}

export function dnsdistConfig(port: number, options: DnsdistOptions): string {
  const cache = `cache = newPacketCache(3000000, { maxTTL = 86400, numberOfShards = 1, keepStaleData = false })
getPool(""):setCache(cache)
`;
  return `setLocal("127.0.0.1:${port}")
setACL({ "127.0.0.0/8"${options.also ? `, "${options.also.network}"` : ''} })
${options.also ? `addLocal("${options.also.address}:${port}")\n` : ''}setSecurityPollSuffix("")
setMaxUDPOutstanding(65535)
setUDPSocketBufferSizes(4194304, 4194304)
setUDPMultipleMessagesVectorSize(${options.batch ?? 1})
newServer({ address = "127.0.0.1:${options.upstreamPort}", checkName = "${options.probeName}.", checkInterval = 10${options.useProxyProtocol ? ', useProxyProtocol = true' : ''} })
${options.cache === false ? '' : cache}${options.lines ?? ''}`;
}
