/** PowerDNS Recursor as a caching forwarder: one thread, packet cache on, no validation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import type { DnsServer } from './nsd.ts';
import { startProcess, temporaryFolder } from './process.ts';
import type { ForwarderOptions } from './unbound.ts';

export async function startPdnsRecursor(options: ForwarderOptions): Promise<DnsServer> {
  const folder = temporaryFolder('recursor');
  const port = await freePort();
  const { also } = options;
  let config = pdnsRecursorConfig(folder, port, options.upstreamPort);
  if (also) config += `local-address=127.0.0.1,${also.address}\nallow-from=127.0.0.0/8,${also.network}\n`;
  if (options.rpzFile !== undefined) {
    writeFileSync(join(folder, 'rpz.lua'), `rpzFile("${options.rpzFile}", { policyName = "rpz.bench" })\n`);
    config += `lua-config-file=${join(folder, 'rpz.lua')}\n`;
  }
  writeFileSync(join(folder, 'recursor.conf'), config);
  const running = await startProcess({
    name: 'pdns-recursor',
    command: requireProgram('pdns_recursor'),
    args: [`--config-dir=${folder}`],
    ...(options.core === undefined ? {} : { core: options.core }),
    ready: () => answers(port, options.probeName),
    ...(options.readyTimeoutMs !== undefined && { readyTimeoutMs: options.readyTimeoutMs }),
  });
  return { ...running, port, config };
}

export function pdnsRecursorConfig(folder: string, port: number, upstreamPort: number): string {
  return `daemon=no
write-pid=no
socket-dir=${folder}
local-address=127.0.0.1
local-port=${port}
allow-from=127.0.0.0/8
threads=1
pdns-distributes-queries=no
reuseport=no
max-cache-entries=3000000
max-packetcache-entries=3000000
max-mthreads=8192
dont-query=
forward-zones-recurse=.=127.0.0.1:${upstreamPort}
dnssec=off
qname-minimization=no
nothing-below-nxdomain=no
root-nx-trust=no
extended-resolution-errors=no
server-down-max-fails=0
disable-syslog=yes
quiet=yes
loglevel=0
log-common-errors=no
statistics-interval=0
security-poll-suffix=
`;
}
