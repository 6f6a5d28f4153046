/** NSD as the authority: fast, and it answers the same way every time. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, startProcess, temporaryFolder } from './process.ts';

export interface Zone {
  /** Apex, e.g. `pool.bench`. */
  name: string;
  /** Master file text (RFC 1035 §5); `$ORIGIN` is the apex. */
  text: string;
}

export interface DnsServer extends RunningProcess {
  /** UDP and TCP port on 127.0.0.1. */
  readonly port: number;
  /** The configuration it was started with. */
  readonly config: string;
}

/** SOA and NS of a zone, in front of its records. */
export function zoneText(apex: string, records: string): string {
  return [
    `$ORIGIN ${apex}.`,
    '$TTL 86400',
    '@ SOA ns hostmaster 1 3600 1200 604800 300',
    '@ NS ns',
    'ns A 127.0.0.1',
    records,
    '',
  ].join('\n');
}

export interface NsdOptions {
  zones: Zone[];
  port?: number;
  /** Where else it listens: `127.53.0.1@5300`. */
  addresses?: readonly string[];
  core?: number;
}

/** Start NSD with `zones`. */
export async function startNsd(options: NsdOptions): Promise<DnsServer> {
  const folder = temporaryFolder('nsd');
  const port = options.port ?? (await freePort());
  const config = nsdConfig(folder, port, options);
  for (const zone of options.zones) writeFileSync(join(folder, zoneFile(zone.name)), zone.text);
  writeFileSync(join(folder, 'nsd.conf'), config);
  mkdirSync(join(folder, 'xfr'));
  const apex = options.zones[0]?.name ?? '.';
  const running = await startProcess({
    name: 'nsd',
    command: requireProgram('nsd'),
    args: ['-d', '-c', join(folder, 'nsd.conf')],
    ...(options.core === undefined ? {} : { core: options.core }),
    ready: async () => (await ask(port, apex, 'SOA')).packet.answers?.length === 1,
  });
  return { ...running, port, config };
}

function nsdConfig(folder: string, port: number, { zones, addresses = [] }: NsdOptions): string {
  const server = `server:
${['127.0.0.1', ...addresses].map((address) => `  ip-address: ${address}`).join('\n')}
  port: ${port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  zonelistfile: "${folder}/zone.list"
  xfrdfile: "${folder}/xfrd.state"
  xfrdir: "${folder}/xfr"
  logfile: "${folder}/nsd.log"
  verbosity: 0
  minimal-responses: yes
  # Debian's NSD limits the rate of equal answers, to 200 a second, unless told otherwise.
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  receive-buffer-size: 4194304
  send-buffer-size: 4194304
remote-control:
  control-enable: no
`;
  return server + zones.map(({ name }) => `zone:\n  name: "${name}"\n  zonefile: "${zoneFile(name)}"\n`).join('');
}

/** The root's name alone would make it a hidden file, `..zone`. */
function zoneFile(name: string): string {
  return name === '.' ? 'root.zone' : `${name}.zone`;
}
