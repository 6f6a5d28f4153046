/** Reflected ANY, DNSKEY and TXT floods: bytes towards the victims' network, and what its honest clients notice. */
import { queryBytes } from '../../test/support/dns-client.ts';
import { startNsd, zoneText } from '../../test/support/nsd.ts';
import { forgedFlood } from './forged-flood.ts';
import { AMPLIFICATION } from './servers.ts';
import { StubClient } from './stub-client.ts';

export const APEX = 'amplify.bench';
export const ZONE = {
  name: APEX,
  text: zoneText(
    APEX,
    [
      `@ TXT ${Array.from({ length: 4 }, (_, i) => `"${String(i).repeat(240)}"`).join(' ')}`,
      ...[1, 2, 3, 4].map((i) => `@ DNSKEY 257 3 8 ${Buffer.alloc(250, i).toString('base64')}`),
      `www A 192.0.2.1`,
      `www AAAA 2001:db8::1`,
    ].join('\n'),
  ),
};
const NETWORK = '127.9.9';
/** Queries a second: from a little above what the defaults let pass to what fills a line. */
const RATES = [50, 150, 500, 1500, 5000];

export interface AmplificationRow {
  server: string;
  defence: string;
  flood: string;
  rate: number;
  /** Answer bytes over query bytes. */
  ratio: number;
  /** Shares of the honest clients' questions that were answered: those with cookies, those without, those on a victim's own address. */
  cookies: number;
  tcp: number;
  victim: number;
}

const FLOODS = [
  { name: 'one host', addresses: [`${NETWORK}.9`] },
  { name: '100 hosts of a /24', addresses: Array.from({ length: 100 }, (_, i) => `${NETWORK}.${i + 9}`) },
];

export async function amplification(
  seconds: number,
  only: readonly string[],
  measured: (row: AmplificationRow) => void,
): Promise<void> {
  const nsd = await startNsd({ zones: [ZONE] });
  try {
    for (const contender of AMPLIFICATION.filter(({ name }) => only.length === 0 || only.includes(name))) {
      for (const flood of FLOODS) {
        for (const rate of RATES) {
          const target = await contender.start({ port: nsd.port, probeName: `www.${APEX}` });
          try {
            const messages = ['ANY', 'DNSKEY', 'TXT'].map((type) => queryBytes({ name: APEX, type, udpSize: 4096 }));
            const clients = (first: number, withCookies: boolean) =>
              [0, 1, 2, 3, 4].map((i) => new StubClient(target.port, `${NETWORK}.${first + i}`, withCookies));
            const groups = {
              cookies: clients(200, true),
              tcp: clients(210, false),
              victim: [new StubClient(target.port, `${NETWORK}.9`, false)],
            };
            // Every client has asked before: the names are cached, and those that know cookies have one.
            for (const client of Object.values(groups).flat()) await client.ask(`www.${APEX}`, 'A');
            const flooding = forgedFlood(target.port, flood.addresses, messages, rate, seconds);
            const end = performance.now() + seconds * 1000;
            await Promise.all(
              Object.values(groups)
                .flat()
                .map((client, i) => honestly(client, end, i)),
            );
            const { bytesIn, bytesOut } = await flooding;
            const share = (group: readonly StubClient[]) =>
              sum(group.map(({ answered }) => answered)) / sum(group.map(({ asked }) => asked));
            measured({
              server: contender.name,
              defence: contender.defence,
              flood: flood.name,
              rate,
              ratio: bytesOut / bytesIn,
              cookies: share(groups.cookies),
              tcp: share(groups.tcp),
              victim: share(groups.victim),
            });
          } finally {
            await target.stop();
          }
        }
      }
    }
  } finally {
    await nsd.stop();
  }
}

/** About three questions a second, one in four large. */
async function honestly(client: StubClient, until: number, seed: number): Promise<void> {
  const kinds = ['A', 'AAAA', 'A', 'TXT'] as const;
  for (let i = seed; performance.now() < until; i++) {
    const type = kinds[i % kinds.length]!;
    await client.ask(type === 'TXT' ? APEX : `www.${APEX}`, type);
    await new Promise((resolve) => setTimeout(resolve, 330));
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
