/** Knot DNS as the authority: a third implementation to compare with. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import type { DnsServer, Zone } from './nsd.ts';
import { startProcess, temporaryFolder } from './process.ts';

export async function startKnotd(zones: readonly Zone[]): Promise<DnsServer> {
  const folder = temporaryFolder('knotd');
  const port = await freePort();
  const config = `server:
  rundir: "${folder}"
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: "${folder}/db"
zone:
${zones.map(({ name }) => `  - domain: ${name}\n    file: "${folder}/${name}.zone"\n    semantic-checks: off\n`).join('')}`;
  mkdirSync(join(folder, 'db'));
  for (const { name, text } of zones) writeFileSync(join(folder, `${name}.zone`), text);
  const file = join(folder, 'knot.conf');
  writeFileSync(file, config);
  const running = await startProcess({
    name: 'knotd',
    command: requireProgram('knotd'),
    args: ['-c', file],
    ready: async () => ((await ask(port, zones[0]?.name ?? '.', 'SOA')).packet.answers?.length ?? 0) > 0,
  });
  return { ...running, port, config };
}
