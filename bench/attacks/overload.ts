/** More than a server can answer, from one address, one network or everywhere: what modest clients get meanwhile. */
import { quantile, runDnsperf } from '../../test/support/dnsperf.ts';
import { flood } from '../../test/support/flooder.ts';
import { startNsd, zoneText } from '../../test/support/nsd.ts';
import { queryFile } from '../load/queries.ts';
import { OVERLOAD } from './servers.ts';

const APEX = 'busy.bench';
const NAME = `www.${APEX}`;
/** Packets a second: about twice what the fastest of them answers from its cache with one core to itself. */
const FLOOD_RATE = 300_000;
const SERVER_CORE = 0;
const LOAD_CORE = 1;
/** Modest clients, each on an address and in a /24 of its own, and what each asks a second. */
const CLIENTS = 4;
const CLIENT_RATE = 100;

export interface OverloadRow {
  server: string;
  defence: string;
  flood: string;
  /** Packets of the flood a second, as sent. */
  offered: number;
  /** Share of the modest clients' questions that was answered within two seconds. */
  answered: number;
  p50Ms: number;
  p99Ms: number;
  quietP99Ms: number;
}

const FLOODS = [
  { name: 'one host', from: ['127.99.1.2'] },
  { name: '64 hosts of a /24', from: Array.from({ length: 64 }, (_, i) => `127.99.1.${i + 2}`) },
  {
    name: '512 hosts of 512 networks',
    from: Array.from({ length: 512 }, (_, i) => `127.${100 + (i >> 8)}.${i & 255}.2`),
  },
] as const;

export async function overload(
  seconds: number,
  only: readonly string[],
  measured: (row: OverloadRow) => void,
): Promise<void> {
  const nsd = await startNsd({ zones: [{ name: APEX, text: zoneText(APEX, 'www A 192.0.2.1') }] });
  const file = queryFile('busy', 100, () => `${NAME} A`);
  try {
    for (const contender of OVERLOAD.filter(({ name }) => only.length === 0 || only.includes(name))) {
      for (const { name, from } of FLOODS) {
        const target = await contender.start({ port: nsd.port, probeName: NAME, core: SERVER_CORE });
        try {
          const { port } = target;
          const clients = () =>
            Promise.all(
              Array.from({ length: CLIENTS }, (_, i) =>
                runDnsperf({
                  port,
                  queryFile: file,
                  seconds,
                  rate: CLIENT_RATE,
                  latencies: true,
                  outstanding: 1000,
                  timeoutSeconds: 2,
                  core: LOAD_CORE,
                  from: `127.50.${i}.1`,
                }),
              ),
            );
          await runDnsperf({ port, queryFile: file, runs: 1, core: LOAD_CORE });
          const quiet = await clients();
          const flooding = flood({
            port,
            seconds: seconds + 2,
            rate: FLOOD_RATE,
            name: NAME,
            from,
            core: LOAD_CORE,
          });
          await new Promise((resolve) => setTimeout(resolve, 1000));
          const results = await clients();
          const sent = await flooding;
          const latencies = sorted(results.map(({ latenciesMs }) => latenciesMs));
          measured({
            server: contender.name,
            defence: contender.defence,
            flood: name,
            offered: Math.round(sent / (seconds + 2)),
            answered: sum(results.map(({ rcodes }) => rcodes['NOERROR'] ?? 0)) / sum(results.map((one) => one.sent)),
            p50Ms: quantile(latencies, 0.5),
            p99Ms: quantile(latencies, 0.99),
            quietP99Ms: quantile(sorted(quiet.map(({ latenciesMs }) => latenciesMs)), 0.99),
          });
        } finally {
          await target.stop();
        }
      }
    }
  } finally {
    await nsd.stop();
  }
}

function sorted(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part])).sort();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
