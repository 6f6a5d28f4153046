/** The servers that are attacked, each with the defence that its manual offers, and one of them without any. */
import { startBind } from '../../test/support/bind.ts';
import { startDnsdist } from '../../test/support/dnsdist.ts';
import type { RunningProcess } from '../../test/support/process.ts';
import { type SekishoServer, startSekisho } from '../../test/support/sekisho.ts';
import { startUnbound } from '../../test/support/unbound.ts';

export interface Target extends RunningProcess {
  readonly port: number;
  /** Set for Sekisho: its metrics can be asked. */
  readonly sekisho?: SekishoServer;
}

export interface Upstream {
  readonly port: number;
  /** A name that it answers. */
  readonly probeName: string;
  /** Keep the server to this core. */
  readonly core?: number;
}

export interface Contender {
  readonly name: string;
  /** What stands in its configuration for this scenario, in a few words. */
  readonly defence: string;
  start(upstream: Upstream): Promise<Target>;
}

const sekisho = (
  name: string,
  defence: string,
  plugins: Record<string, unknown>,
  server: Record<string, unknown> = {},
): Contender => ({
  name,
  defence,
  async start({ port, core }) {
    const running = await startSekisho({
      readyTimeoutMs: 60_000,
      config: { server, upstream: { servers: [`127.0.0.1:${port}`] }, plugins },
      ...(core === undefined ? {} : { core }),
    });
    return { ...running, sekisho: running };
  },
});
const dnsdist = (name: string, defence: string, lines: string): Contender => ({
  name,
  defence,
  start: ({ port, ...rest }) => startDnsdist({ upstreamPort: port, ...rest, lines }),
});
const unbound = (name: string, defence: string, lines: string): Contender => ({
  name,
  defence,
  start: ({ port, ...rest }) => startUnbound({ upstreamPort: port, ...rest, lines }),
});
const bind = (name: string, defence: string, options: string): Contender => ({
  name,
  defence,
  start: ({ port, ...rest }) => startBind({ upstreamPort: port, ...rest, options }),
});

/** Queries a second of one /24 that the rate limits of others let through: what an office behind them may need. */
const RATE = 100;

export const AMPLIFICATION: readonly Contender[] = [
  sekisho('Sekisho without', 'none', { access: {} }),
  sekisho('Sekisho', 'amp-shaper as it comes', { 'amp-shaper': {} }),
  dnsdist(
    'dnsdist rule',
    `MaxQPSIPRule(${RATE}, 24), TCAction for UDP`,
    `addAction(AndRule({TCPRule(false), MaxQPSIPRule(${RATE}, 24, 56)}), TCAction())\n`,
  ),
  dnsdist(
    'dnsdist dynamic block',
    `setQueryRate(${RATE}, 5 s), truncate for 60 s`,
    `setDynBlocksAction(DNSAction.Truncate)
local dbr = dynBlockRulesGroup()
dbr:setQueryRate(${RATE}, 5, "too many queries", 60)
dbr:setMasks(24, 56, 0)
function maintenance() dbr:apply() end
`,
  ),
  unbound('unbound', `ip-ratelimit ${RATE}, factor 10`, `  ip-ratelimit: ${RATE}\n  ip-ratelimit-factor: 10\n`),
  bind(
    'bind9',
    'rate-limit: 5 equal answers/s for a /24, slip 2',
    'rate-limit { responses-per-second 5; window 5; slip 2; ipv4-prefix-length 24; };',
  ),
];

/** Queries a second of one address that is far above what a modest client asks, and far below what fills a server. */
const CLIENT_RATE = 1000;

/** Both of dnsdist's ways to bound a client, as drops. */
const PER_CLIENT = `addAction(MaxQPSIPRule(${CLIENT_RATE}), DropAction())
local dbr = dynBlockRulesGroup()
dbr:setQueryRate(${CLIENT_RATE}, 1, "too many queries", 60)
function maintenance() dbr:apply() end
`;

/** Questions a second for one zone. */
export const ZONE_LIMIT = 50;

/** Zones as the bench's names have them, for servers that have to be told which there are: those of others get ten questions a second. */
const ZONES = ['victim.bench', ...Array.from({ length: 50 }, (_, i) => `z${i}.other.bench`)];

export const RANDOM_SUBDOMAIN: readonly Contender[] = [
  sekisho('Sekisho without', 'none', { access: {} }),
  sekisho('Sekisho', `random-subdomain, limit ${ZONE_LIMIT}`, { 'random-subdomain': { limit: ZONE_LIMIT } }),
  {
    name: 'unbound',
    defence: `ratelimit ${ZONE_LIMIT} a zone, serve-expired; asks the authority itself (stub-zone)`,
    // What is forwarded is not limited: only where it asks an authority does `ratelimit` count.
    start: ({ port, ...rest }) =>
      startUnbound({
        upstreamPort: port,
        ...rest,
        lines: `  ratelimit: ${ZONE_LIMIT}
  serve-expired: yes
  serve-expired-client-timeout: 1800
${ZONES.map((zone) => `stub-zone:\n  name: "${zone}"\n  stub-addr: 127.0.0.1@${port}\n`).join('')}server:
`,
      }),
  },
  {
    name: 'bind9',
    defence: 'fetches-per-zone 50, stale-answer; each zone forwarded as one of its own',
    start: ({ port, ...rest }) =>
      startBind({
        upstreamPort: port,
        ...rest,
        // What is forwarded as a whole counts as one zone.
        forwardZones: ZONES,
        options:
          'fetches-per-zone 50; stale-answer-enable yes; stale-cache-enable yes; stale-answer-client-timeout 1800;',
      }),
  },
  dnsdist(
    'dnsdist',
    `MaxQPSIPRule(${CLIENT_RATE}), dynamic block at ${CLIENT_RATE}, stale for an hour; a zone has no limit`,
    `setStaleCacheEntriesTTL(3600)\n${PER_CLIENT}`,
  ),
];

export const SHARED_ADDRESS: readonly Contender[] = [
  sekisho('Sekisho', 'amp-shaper with its defaults', { 'amp-shaper': {} }),
  ...AMPLIFICATION.filter(({ name }) => !name.startsWith('Sekisho')),
];

export const OVERLOAD: readonly Contender[] = [
  sekisho('Sekisho without', 'server.overload off', {}, { overload: { enabled: false } }),
  sekisho('Sekisho', 'server.overload as it comes', {}),
  dnsdist(
    'dnsdist rule',
    `MaxQPSIPRule(${CLIENT_RATE}), drop`,
    `addAction(MaxQPSIPRule(${CLIENT_RATE}), DropAction())\n`,
  ),
  dnsdist(
    'dnsdist dynamic block',
    `setQueryRate(${CLIENT_RATE}, 1 s), drop for 60 s`,
    `local dbr = dynBlockRulesGroup()
dbr:setQueryRate(${CLIENT_RATE}, 1, "too many queries", 60)
function maintenance() dbr:apply() end
`,
  ),
  unbound(
    'unbound',
    `ip-ratelimit ${CLIENT_RATE}, factor 0 (drop)`,
    `  ip-ratelimit: ${CLIENT_RATE}\n  ip-ratelimit-factor: 0\n`,
  ),
  bind(
    'bind9',
    'rate-limit: 1000 equal answers/s for a /32, drop',
    'rate-limit { responses-per-second 1000; slip 0; ipv4-prefix-length 32; };',
  ),
];
