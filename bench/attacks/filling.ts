/**
 * Somebody fills the filter of known names before he attacks: names of a zone that answers everything, and of thousands of
 * his own that do, asked from several networks. How many of the victim's names still pass when its authority is silent.
 */
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { flood } from '../../test/support/flooder.ts';
import { startSekisho } from '../../test/support/sekisho.ts';
import { queryFile } from '../load/queries.ts';
import { startAuthority } from './authority-process.ts';

const KNOWN_NAMES = 200;
const BOTS = Array.from({ length: 100 }, (_, i) => `127.${100 + (i >> 8)}.${i & 255}.2`);
const FILL_SECONDS = 18;
const FILL_RATE = 4000;

export interface FillingRow {
  server: string;
  /** Memory of the filter. */
  size: string;
  /** Names that became known: the victim's, before … */
  learnt: number;
  /** … and while it was being filled. */
  filled: number;
  /** Share of the victim's known names that were asked for while its authority was silent and others flooded it, before and after. */
  passedBefore: number;
  passedAfter: number;
}

export async function filling(
  seconds: number,
  _only: readonly string[],
  measured: (row: FillingRow) => void,
): Promise<void> {
  for (const size of ['64KiB', '1MiB']) {
    const authority = await startAuthority();
    const server = await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${authority.port}`] },
        cache: { size: '1MiB', 'serve-stale': 0 },
        plugins: { 'random-subdomain': { limit: 1000, 'failing-budget': 5000, 'known-names': { size } } },
      },
    });
    try {
      const { port } = server;
      const known = queryFile('known', KNOWN_NAMES, (i) => `k${i}.victim.bench A`);
      for (let run = 0; run < 4; run++) {
        await runDnsperf({ port, queryFile: known, runs: 1, outstanding: 20, from: `127.0.${run}.1` });
        await new Promise((resolve) => setTimeout(resolve, 2100));
      }
      const learntNow = () => counter(server.adminPort, 'sekisho_random_subdomain_names_learnt_total');
      const passedNow = () => counter(server.adminPort, 'sekisho_random_subdomain_known_passed_total');
      const learnt = await learntNow();
      const attacked = async () => {
        authority.tell({ state: 'silent' });
        const flooding = flood({
          port,
          seconds: seconds + 3,
          rate: 2000,
          name: 'victim.bench',
          newNames: true,
          from: BOTS,
        });
        await new Promise((resolve) => setTimeout(resolve, 2500));
        const before = await passedNow();
        await runDnsperf({ port, queryFile: known, rate: 100, runs: 1, outstanding: 5000, timeoutSeconds: 8 });
        const passed = (await passedNow()) - before;
        await flooding;
        authority.tell({ state: 'well' });
        await new Promise((resolve) => setTimeout(resolve, 6000));
        return Math.min(1, passed / KNOWN_NAMES);
      };
      const passedBefore = await attacked();
      // Each name is asked for again within seconds, from all of these networks.
      const names = queryFile('fill', 8000, (i) => `w${i}.fill${i % 500}.bench A`);
      const fills = [1, 2, 3, 4].map((network) =>
        runDnsperf({
          port,
          queryFile: names,
          seconds: FILL_SECONDS,
          rate: FILL_RATE / 4,
          outstanding: 1000,
          from: `127.70.${network}.1`,
        }),
      );
      await Promise.all(fills);
      const filled = (await learntNow()) - learnt;
      measured({ server: 'Sekisho', size, learnt, filled, passedBefore, passedAfter: await attacked() });
    } finally {
      await server.stop();
      authority.stop();
    }
  }
}

async function counter(adminPort: number, name: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
