/** BIND 9 as the primary of a policy zone: transfers signed, changes by dynamic update, so that it has IXFR to offer. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../support/ask.ts';
import { requireProgram } from '../support/debian.ts';
import { freePort } from '../support/free-port.ts';
import { startProcess, temporaryFolder } from '../support/process.ts';
import type { Primary, PrimaryOptions } from './primary.ts';

export interface BindPrimary extends Primary {
  /** Change the zone through `nsupdate`: lines such as `add x.example.rpz. 60 CNAME .` or `delete …`. */
  update(lines: string[]): void;
}

export async function startBindPrimary(options: PrimaryOptions): Promise<BindPrimary> {
  const { zone } = options;
  const folder = temporaryFolder('bind-primary');
  const port = await freePort();
  const config = bindConfig(folder, port, options);
  writeFileSync(join(folder, `${zone.name}.zone`), zone.text);
  writeFileSync(join(folder, 'named.conf'), config);
  const running = await startProcess({
    name: 'bind',
    command: requireProgram('named'),
    args: ['-g', '-n', '1', '-c', join(folder, 'named.conf')],
    ready: async () => ((await ask(port, zone.name, 'SOA')).packet.answers?.length ?? 0) > 0,
  });
  const update = (lines: string[]): void => {
    const input = [
      `server 127.0.0.1 ${port}`,
      `zone ${zone.name}.`,
      ...lines.map((line) => `update ${line}`),
      'send',
      '',
    ];
    const { status, stderr } = spawnSync('nsupdate', ['-v'], { input: input.join('\n'), encoding: 'utf8' });
    if (status !== 0) throw new Error(`nsupdate: ${stderr}`);
  };
  return { ...running, port, config, folder, update };
}

function bindConfig(folder: string, port: number, { zone, key, notifyPort }: PrimaryOptions): string {
  const keyText = key ? `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };\n` : '';
  const also = notifyPort ? `also-notify { 127.0.0.1 port ${notifyPort}${key ? ` key "${key.name}"` : ''}; };` : '';
  return `${keyText}options {
  directory "${folder}";
  pid-file "${folder}/named.pid";
  session-keyfile "${folder}/session.key";
  managed-keys-directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  allow-query { 127.0.0.0/8; };
  recursion no;
  notify-delay 0;
  dnssec-validation no;
};
controls { };
zone "${zone.name}" {
  type primary;
  file "${zone.name}.zone";
  check-names ignore;
  allow-transfer { ${key ? `key "${key.name}"` : 'any'}; };
  allow-update { 127.0.0.1; };
  notify explicit;
  ${also}
};
`;
}
