/** Knot DNS as the primary of a policy zone: the zone file is replaced, Knot finds out what changed. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ask } from '../support/ask.ts';
import { requireProgram } from '../support/debian.ts';
import { freePort } from '../support/free-port.ts';
import { startProcess, temporaryFolder } from '../support/process.ts';
import type { Primary, PrimaryOptions } from './primary.ts';

export interface KnotPrimary extends Primary {
  /** Put another master file in the place of the old one and have it read. */
  replace(text: string): Promise<void>;
}

export async function startKnot(options: PrimaryOptions): Promise<KnotPrimary> {
  const { zone } = options;
  const folder = temporaryFolder('knot');
  const port = await freePort();
  const config = knotConfig(folder, port, options);
  const file = join(folder, 'knot.conf');
  const zoneFile = join(folder, `${zone.name}.zone`);
  mkdirSync(join(folder, 'db'));
  writeFileSync(zoneFile, zone.text);
  writeFileSync(file, config);
  const running = await startProcess({
    name: 'knot',
    command: requireProgram('knotd'),
    args: ['-c', file],
    ready: async () => ((await ask(port, zone.name, 'SOA')).packet.answers?.length ?? 0) > 0,
  });
  const replace = async (text: string): Promise<void> => {
    writeFileSync(zoneFile, text);
    // Knot may want an answer to a NOTIFY from this very process meanwhile: the wait must not block it.
    await promisify(execFile)('knotc', ['-c', file, '-b', 'zone-reload', zone.name]);
  };
  return { ...running, port, config, folder, replace };
}

function knotConfig(folder: string, port: number, { zone, key, notifyPort }: PrimaryOptions): string {
  const keyText = key ? `key:\n  - id: ${key.name}\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}\n` : '';
  const keyOf = key ? `    key: ${key.name}\n` : '';
  const remote = notifyPort ? `remote:\n  - id: sekisho\n    address: 127.0.0.1@${notifyPort}\n${keyOf}` : '';
  return `server:
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
${keyText}${remote}acl:
  - id: transfers
    address: 127.0.0.1
    action: transfer
${keyOf}zone:
  - domain: ${zone.name}
    file: "${folder}/${zone.name}.zone"
    zonefile-load: difference
    semantic-checks: off
    acl: transfers
${notifyPort ? '    notify: sekisho\n' : ''}`;
}
