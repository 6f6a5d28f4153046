/** Configurations for starts that fail: everything a server can listen on, and every optional section. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMERGENCY_END } from './dates.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './process.ts';
import type { Transport } from './taken-address.ts';
import { writePlugin } from './third-party-plugin.ts';

export type Section = Record<string, unknown>;

export const GROUND = {
  kind: 'self-defence',
  effect: 'resolver 2 is overloaded',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: EMERGENCY_END,
};

/** Everything a server can listen on. `add` puts the address into a configuration that may not have that section otherwise. */
export const LISTENERS: readonly {
  setting: string;
  transport: Transport;
  add(config: Section, address: string): void;
}[] = [
  {
    setting: 'server.listen',
    transport: 'udp',
    add: (config, address) => into(config, 'server', { listen: [address] }),
  },
  {
    setting: 'server.listen',
    transport: 'tcp',
    add: (config, address) => into(config, 'server', { listen: [address] }),
  },
  { setting: 'admin.listen', transport: 'tcp', add: (config, address) => into(config, 'admin', { listen: address }) },
  {
    setting: 'subscribers.radius.listen',
    transport: 'udp',
    add: (config, address) =>
      into(config, 'subscribers', { terms: '2026-04', radius: { listen: address, 'secret-file': './radius.secret' } }),
  },
  {
    setting: 'transfer.notify',
    transport: 'udp',
    add: (config, address) => into(config, 'transfer', { notify: address }),
  },
  { setting: 'notice.listen', transport: 'tcp', add: (config, address) => into(config, 'notice', { listen: address }) },
];

/** The optional sections, each with what it can have; and all of them together. */
export const SECTIONS: Record<string, () => Promise<Section>> = {
  nothing: async () => ({}),
  subscribers: async () => ({
    subscribers: {
      ranges: './subscribers.csv',
      terms: '2026-04',
      radius: { listen: `127.0.0.1:${await freePort()}`, 'secret-file': './radius.secret' },
    },
  }),
  lists: async () => ({
    lists: [
      { name: 'file', category: 'c2', tier: 'confirmed', format: 'domains', file: './c2.txt' },
      { name: 'fetched', category: 'malware', tier: 'confirmed', format: 'domains', url: 'http://127.0.0.1:9/list' },
      {
        name: 'transferred',
        category: 'c2',
        tier: 'suspected',
        format: 'rpz',
        url: 'axfr://127.0.0.1:9/rpz.test?key=k',
      },
    ],
    transfer: { notify: `127.0.0.1:${await freePort()}`, 'keys-file': './keys' },
  }),
  plugins: async () => ({
    plugins: {
      access: {},
      'amp-shaper': {},
      'random-subdomain': {},
      sinkhole: { ipv4: '198.51.100.1' },
      'c2-block': {},
      'query-history': {},
      dnstap: { file: 'queries.dnstap', ground: GROUND },
    },
  }),
  notice: async () => ({
    notice: {
      listen: `127.0.0.1:${await freePort()}`,
      portal: { url: 'https://portal.isp.example/', link: { 'secret-file': './link.secret', issuer: 'member-site' } },
    },
    admin: { listen: '127.0.0.1:0', 'tokens-file': './tokens.yaml' },
    ip53b: {},
  }),
};
export const ALL = 'everything';
export function into(config: Section, section: string, values: Section): void {
  config[section] = { ...(config[section] as Section | undefined), ...values };
}

/** `sections`: one of SECTIONS, or ALL. */
export async function configurationOf(sections: string, upstreamPort: number): Promise<Section> {
  const parts = await Promise.all(Object.entries(SECTIONS).map(async ([name, make]) => [name, await make()] as const));
  return {
    server: { listen: [`127.0.0.1:${await freePort()}`], workers: 2, data: './data' },
    admin: { listen: '127.0.0.1:0' },
    upstream: { servers: [`127.0.0.1:${upstreamPort}`] },
    cache: { size: '1MiB' },
    notice: { listen: `127.0.0.1:${await freePort()}` },
    ...Object.assign({}, ...parts.filter(([name]) => name === sections || sections === ALL).map(([, part]) => part)),
  };
}

/** A folder with all the files that the sections name. */
export function folderWithFiles(parent?: string): string {
  const folder = temporaryFolder('start', parent);
  const files = {
    'subscribers.csv': '127.0.0.21,S-21\n',
    'radius.secret': 'xyzzy5461\n',
    'link.secret': `${'k'.repeat(40)}\n`,
    'c2.txt': 'c2.example\n',
    keys: `k:hmac-sha256:${Buffer.alloc(32, 7).toString('base64')}\n`,
    'tokens.yaml': '[]\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return folder;
}

/** A plugin whose half in the main thread takes a port, and lets go of nothing. */
export const thief = () =>
  writePlugin('thief', '', {
    parts: `async control({ options }) {
      const [transport, port] = options.text.split(':');
      const { createSocket } = await import('node:dgram');
      const { createServer } = await import('node:net');
      await new Promise((resolve, reject) => {
        const socket = transport === 'udp' ? createSocket('udp4') : createServer();
        socket.once('error', reject);
        if (transport === 'udp') socket.bind(Number(port), '127.0.0.1', resolve);
        else socket.listen(Number(port), '127.0.0.1', resolve);
      });
    },`,
  });
