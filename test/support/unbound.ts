/** Unbound as a caching forwarder, tuned for one thread, without validation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import type { DnsServer } from './nsd.ts';
import { startProcess, temporaryFolder } from './process.ts';

export interface ForwarderOptions {
  /** Port of the server on 127.0.0.1 that it forwards to. */
  upstreamPort: number;
  /** A name that the upstream knows: the server is ready when it answers it. */
  probeName: string;
  core?: number;
  /** Further lines of the configuration: of unbound's server section, or of dnsdist's script. */
  lines?: string;
  /** False: every query goes to the upstream (only dnsdist can do this). */
  cache?: boolean;
  /** An address to listen on besides 127.0.0.1, and the network that may ask there. */
  also?: { readonly address: string; readonly network: string };
  /** A policy zone `rpz.bench` in force, as a master file. */
  rpzFile?: string;
  /** Default 10 s: a large policy zone takes longer. */
  readyTimeoutMs?: number;
}

export async function startUnbound(options: ForwarderOptions): Promise<DnsServer> {
  const folder = temporaryFolder('unbound');
  const port = await freePort();
  const { also, lines = '' } = options;
  const more = also ? `  interface: ${also.address}\n  access-control: ${also.network} allow\n${lines}` : lines;
  const config = unboundConfig(folder, port, options.upstreamPort, more, options.rpzFile);
  const file = join(folder, 'unbound.conf');
  writeFileSync(file, config);
  const running = await startProcess({
    name: 'unbound',
    command: requireProgram('unbound'),
    args: ['-d', '-c', file],
    ...(options.core === undefined ? {} : { core: options.core }),
    ready: () => answers(port, options.probeName),
    ...(options.readyTimeoutMs !== undefined && { readyTimeoutMs: options.readyTimeoutMs }),
  });
  return { ...running, port, config };
}

export function unboundConfig(
  folder: string,
  port: number,
  upstreamPort: number,
  lines = '',
  rpzFile?: string,
): string {
  const rpz = rpzFile === undefined ? '' : `rpz:\n  name: rpz.bench\n  zonefile: "${rpzFile}"\n`;
  return `server:
${lines}
  interface: 127.0.0.1
  port: ${port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: "${folder}/unbound.pid"
  logfile: "${folder}/unbound.log"
  use-syslog: no
  verbosity: 0
  statistics-interval: 0
  num-threads: 1
  so-reuseport: no
  so-rcvbuf: 4m
  so-sndbuf: 4m
  msg-cache-size: 1g
  msg-cache-slabs: 1
  rrset-cache-size: 1g
  rrset-cache-slabs: 1
  infra-cache-slabs: 1
  key-cache-slabs: 1
  outgoing-range: 8192
  num-queries-per-thread: 4096
  module-config: "${rpzFile === undefined ? '' : 'respip '}iterator"
  minimal-responses: yes
  qname-minimisation: no
  harden-below-nxdomain: no
  prefetch: no
  do-not-query-localhost: no
  do-ip6: no
  # Unbound answers these itself unless told otherwise; tests use names below .test (RFC 6761 section 6.2).
  local-zone: "test." nodefault
  edns-buffer-size: 1232
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstreamPort}
${rpz}`;
}
