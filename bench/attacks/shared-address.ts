/** 500 subscribers behind one CG-NAT address, 20 queries a second each, in normal use: who of them is shaped. */
import { exchangeDatagram, queryBytes, readReply } from '../../test/support/dns-client.ts';
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { startNsd, zoneText } from '../../test/support/nsd.ts';
import { MetricsPage } from '../../test/support/observe.ts';
import { queryFile, randomNumbers } from '../load/queries.ts';
import { SHARED_ADDRESS } from './servers.ts';

const APEX = 'everyday.bench';
const NAMES = 5000;
const ZONE = {
  name: APEX,
  text: zoneText(
    APEX,
    [
      '*.site CNAME edge.content-network',
      ...[1, 2, 3].map((i) => `edge.content-network A 192.0.2.${i}`),
      ...[1, 2].map((i) => `edge.content-network AAAA 2001:db8::${i}`),
      'edge.content-network HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2',
      ...[1, 2, 3, 4].map((i) => `@ DNSKEY 257 3 8 ${Buffer.alloc(250, i).toString('base64')}`),
      `*.mail TXT "v=spf1 ${'include:_spf.provider.example '.repeat(6)}-all"`,
    ].join('\n'),
  ),
};
const RATE = 500 * 20;

export interface SharedAddressRow {
  server: string;
  defence: string;
  queries: number;
  /** Queries that got no answer over UDP within two seconds. */
  unanswered: number;
  /** Of a sample from the same address meanwhile: share truncated, refused, or not answered within two seconds. */
  sampleShaped: number;
  /** Answers shaped, as Sekisho counts them. */
  shaped: number | undefined;
}

export async function sharedAddress(
  seconds: number,
  only: readonly string[],
  measured: (row: SharedAddressRow) => void,
): Promise<void> {
  const nsd = await startNsd({ zones: [ZONE] });
  const random = randomNumbers(20);
  const file = queryFile('everyday', RATE * (seconds + 1), () => {
    const draw = random();
    // Zipf-like: a few names make up most of it.
    const name = `n${Math.floor(NAMES ** random())}`;
    if (draw < 0.01) return `${name}.mail.${APEX} TXT`;
    // Devices that validate by themselves.
    if (draw < 0.015) return `${APEX} DNSKEY`;
    if (draw < 0.065) return `${name}.nowhere.${APEX} A`;
    return `${name}.site.${APEX} ${draw < 0.45 ? 'A' : draw < 0.75 ? 'AAAA' : 'HTTPS'}`;
  });
  try {
    for (const contender of SHARED_ADDRESS.filter(({ name }) => only.length === 0 || only.includes(name))) {
      const target = await contender.start({ port: nsd.port, probeName: `ns.${APEX}` });
      try {
        const sample = sampledAt(target.port, seconds);
        const result = await runDnsperf({
          port: target.port,
          queryFile: file,
          rate: RATE,
          seconds,
          edns: true,
          outstanding: 20_000,
          clients: 200,
          timeoutSeconds: 2,
        });
        measured({
          server: contender.name,
          defence: contender.defence,
          queries: result.sent,
          unanswered: result.lost,
          sampleShaped: await sample,
          shaped: target.sekisho ? await shapedBy(target.sekisho.adminPort) : undefined,
        });
      } finally {
        await target.stop();
      }
    }
  } finally {
    await nsd.stop();
  }
}

async function sampledAt(port: number, seconds: number): Promise<number> {
  const count = seconds * 10;
  let shaped = 0;
  for (let i = 0; i < count; i++) {
    const message = queryBytes({ name: `n${i}.site.${APEX}`, type: 'A', udpSize: 1232 });
    const bytes = await exchangeDatagram(message, { port, timeoutMs: 2000 });
    const reply = bytes && readReply(bytes);
    if (reply === undefined || reply.tc || reply.answers.length === 0) shaped++;
    await new Promise((resolve) => setTimeout(resolve, 80));
  }
  return shaped / count;
}

async function shapedBy(adminPort: number): Promise<number> {
  const page = new MetricsPage(await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text());
  return page.total('sekisho_amp_shaper_shaped_total');
}
