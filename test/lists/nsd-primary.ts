/** NSD as the primary of a policy zone: it keeps no changes, and answers a question for them with the whole zone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../support/ask.ts';
import { requireProgram } from '../support/debian.ts';
import { freePort } from '../support/free-port.ts';
import { startProcess, temporaryFolder } from '../support/process.ts';
import type { Primary, PrimaryOptions } from './primary.ts';

export async function startNsdPrimary(options: PrimaryOptions): Promise<Primary> {
  const { zone } = options;
  const folder = temporaryFolder('nsd-primary');
  const port = await freePort();
  const config = nsdConfig(folder, port, options);
  writeFileSync(join(folder, `${zone.name}.zone`), zone.text);
  writeFileSync(join(folder, 'nsd.conf'), config);
  mkdirSync(join(folder, 'xfr'));
  const running = await startProcess({
    name: 'nsd',
    command: requireProgram('nsd'),
    args: ['-d', '-c', join(folder, 'nsd.conf')],
    ready: async () => (await ask(port, zone.name, 'SOA')).packet.answers?.length === 1,
  });
  return { ...running, port, config, folder };
}

function nsdConfig(folder: string, port: number, { zone, key }: PrimaryOptions): string {
  const keyText = key ? `key:\n  name: ${key.name}\n  algorithm: ${key.algorithm}\n  secret: "${key.secret}"\n` : '';
  return `server:
  ip-address: 127.0.0.1
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
remote-control:
  control-enable: no
${keyText}zone:
  name: "${zone.name}"
  zonefile: "${zone.name}.zone"
  provide-xfr: 127.0.0.1 ${key ? key.name : 'NOKEY'}
`;
}
