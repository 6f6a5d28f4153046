/** The ISP: two authorities, the server, its desks' tokens, and subscribers whose addresses RADIUS tells. Loopback alone. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROLES, type Role } from '../src/audit/roles.ts';
import { findProgram } from '../test/support/debian.ts';
import { freePort } from '../test/support/free-port.ts';
import { startNsd, zoneText } from '../test/support/nsd.ts';
import { temporaryFolder } from '../test/support/process.ts';
import { account } from '../test/support/radius-client.ts';
import { honest, startScriptedUpstream } from '../test/support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../test/support/sekisho.ts';

/** Subscribers, one to an address. */
export const SUBSCRIBERS = 60;
export const addressOf = (subscriber: number): string => `127.60.0.${subscriber + 1}`;
export const nameOf = (subscriber: number): string => `S-${1000 + subscriber}`;
/** Sites that people look at, the popular ones first. */
export const SITES = 60;
export const hostsOf = (site: number): string[] =>
  ['www', 'api', 'cdn', 'img'].map((host) => `${host}.site${site}.example`);

interface Authority {
  readonly port: number;
  readonly kind: string;
  /** Hears nothing and answers nothing, until it is told to again. */
  silence(silent: boolean): void;
  stop(): Promise<unknown>;
}

export interface Isp {
  readonly server: SekishoServer;
  readonly authorities: readonly Authority[];
  readonly feed: string;
  readonly url: string;
  readonly tokens: Readonly<Record<Role | 'admin', string>>;
  /** One request to the admin API with a desk's token. */
  api<Answer = unknown>(
    role: Role,
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Answer }>;
  stop(): Promise<void>;
}

export const FEED = [
  '*.botnet.example',
  'update.evil.example',
  ...Array.from({ length: 400 }, (_, i) => `c${i}.listed.example`),
];

export async function startIsp(say: (line: string) => void): Promise<Isp> {
  const folder = temporaryFolder('demo');
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const running: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const each of running.splice(0).reverse()) await each().catch(() => {});
  };
  try {
    const authorities = [await startAuthority(), await startAuthority()];
    for (const each of authorities) running.push(() => each.stop());
    say(`authorities   127.0.0.1:${authorities[0]?.port} and :${authorities[1]?.port} (${authorities[0]?.kind})`);

    const tokens = Object.fromEntries(ROLES.map((role) => [role, randomBytes(24).toString('base64url')])) as Record<
      Role,
      string
    >;
    const feed = file('c2-feed.txt', `${FEED.join('\n')}\n`);
    const secret = randomBytes(12).toString('base64url');
    const radiusPort = await freePort();
    const server = await startSekisho({
      readyTimeoutMs: 60_000,
      config: {
        server: { data: join(folder, 'data'), workers: 2, access: ['127.0.0.0/8'] },
        upstream: { servers: authorities.map(({ port }) => `127.0.0.1:${port}`) },
        cache: { size: '8MiB' },
        admin: {
          'tokens-file': file(
            'tokens.yaml',
            ROLES.map(
              (role) => `- { name: ${role}-desk, role: ${role}, token-sha256: ${digest(tokens[role])} }\n`,
            ).join(''),
          ),
        },
        subscribers: {
          terms: '2026-04',
          covers: ['c2', 'malware-warning'],
          radius: {
            listen: `127.0.0.1:${radiusPort}`,
            'secret-file': file('radius.secret', `${secret}\n`),
            clients: ['127.0.0.0/8'],
          },
        },
        terminals: {
          // All clocks are this machine's.
          'clock-margin': '0s',
          'lease-history': {
            keep: '1d',
            ground: {
              kind: 'legitimate-business',
              purpose: 'to tell subscribers that their terminals are infected',
              necessity: 'only the lease of that time tells whose terminal it was',
              proportionality: 'a day, read by the import of reports alone',
              approver: 'privacy officer',
              review: new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10),
            },
          },
        },
        lists: [
          { name: 'c2-feed', category: 'c2', tier: 'confirmed', format: 'domains', file: feed, refresh: '30s' },
          {
            name: 'c2-doubtful',
            category: 'c2',
            tier: 'suspected',
            format: 'domains',
            file: file('c2-doubtful.txt', 'maybe.example\n*.perhaps.example\n'),
          },
        ],
        plugins: {
          access: {},
          sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
          'c2-block': {},
          'amp-shaper': {},
          'random-subdomain': {},
          'query-history': {},
        },
        notice: { ipv4: '127.0.0.1', operator: { name: 'Sample Internet', contact: 'tel:0120-000-000' } },
      },
    });
    running.push(() => server.stop());
    const nas = { port: radiusPort, secret };
    for (let subscriber = 0; subscriber < SUBSCRIBERS; subscriber++)
      await account(nas, 'Start', {
        'User-Name': nameOf(subscriber),
        'Acct-Session-Id': `demo-${subscriber}`,
        'NAS-IP-Address': '127.0.0.1',
        'Framed-IP-Address': addressOf(subscriber),
      });
    say(`subscribers   ${SUBSCRIBERS}, ${nameOf(0)} at ${addressOf(0)} and so on, told by RADIUS accounting`);
    say(`server        DNS 127.0.0.1:${server.port}, admin API 127.0.0.1:${server.adminPort}`);
    const admin = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
    const url = `http://127.0.0.1:${server.adminPort}`;
    return {
      server,
      authorities,
      feed,
      url,
      tokens: { ...tokens, admin },
      stop,
      async api(role, method, path, body) {
        const response = await fetch(`${url}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${tokens[role]}`,
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        return { status: response.status, body: (await response.json()) as never };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** NSD where it is installed, else a small one of the tests. */
async function startAuthority(): Promise<Authority> {
  if (findProgram('nsd') === undefined) {
    const small = await startScriptedUpstream(honest());
    return {
      port: small.port,
      kind: 'built in; install nsd for a real one',
      silence: (silent) => {
        small.down = silent;
      },
      stop: () => small.close(),
    };
  }
  const hosts = Array.from({ length: SITES }, (_, site) =>
    hostsOf(site).map((host, i) => `${host}. 120 A 198.51.100.${((site * 4 + i) % 250) + 1}`),
  ).flat();
  const others = [
    'www.shop.example. 30 A 203.0.113.10',
    'www.victim.example. 300 A 203.0.113.20',
    'evil.example. 60 A 203.0.113.66',
    'update.evil.example. 60 A 203.0.113.66',
    '*.botnet.example. 60 A 203.0.113.67',
    ...Array.from({ length: 12 }, (_, i) => `big.example. 60 TXT "${String(i).padStart(2, '0')}${'x'.repeat(180)}"`),
  ];
  const nsd = await startNsd({
    zones: [{ name: 'example', text: zoneText('example', [...hosts, ...others].join('\n')) }],
  });
  let silent = false;
  return {
    port: nsd.port,
    kind: 'NSD',
    silence(next) {
      if (next === silent) return;
      silent = next;
      process.kill(nsd.pid, next ? 'SIGSTOP' : 'SIGCONT');
    },
    async stop() {
      if (silent) process.kill(nsd.pid, 'SIGCONT');
      return nsd.stop();
    },
  };
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
