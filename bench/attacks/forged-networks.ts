/** A flood reflected at one victim, hidden among hundreds of thousands of other forged sources: is it still limited, in what memory? */
import { readFileSync } from 'node:fs';
import { queryBytes } from '../../test/support/dns-client.ts';
import { flood } from '../../test/support/flooder.ts';
import { startNsd } from '../../test/support/nsd.ts';
import { APEX, ZONE } from './amplification.ts';
import { forgedFlood } from './forged-flood.ts';
import { AMPLIFICATION } from './servers.ts';
import { StubClient } from './stub-client.ts';

const VICTIM = '127.9.9.9';
const VICTIM_RATE = 3000;
const OTHERS_RATE = 20_000;

export interface ForgedNetworksRow {
  server: string;
  defence: string;
  /** Forged hosts that asked beside the victim, each once, out of 16 384 networks (/24). */
  hosts: number;
  /** Answer bytes over query bytes towards the victim. */
  victimRatio: number;
  /** What the process grew by, MiB of resident memory. */
  grewMiB: number;
  /** Share of the questions of an honest client in the victim's /24 that was answered, over TCP where it was told to. */
  honest: number;
}

export async function forgedNetworks(
  seconds: number,
  only: readonly string[],
  measured: (row: ForgedNetworksRow) => void,
): Promise<void> {
  const nsd = await startNsd({ zones: [ZONE] });
  try {
    for (const contender of AMPLIFICATION.filter(({ name }) => only.length === 0 || only.includes(name))) {
      const target = await contender.start({ port: nsd.port, probeName: `www.${APEX}` });
      try {
        const { port } = target;
        const honest = new StubClient(port, '127.9.9.200', false);
        for (const type of ['A', 'TXT']) await honest.ask(type === 'A' ? `www.${APEX}` : APEX, type);
        const before = residentMiB(target.pid);
        const message = queryBytes({ name: APEX, type: 'TXT', udpSize: 4096 });
        const others = flood({ port, seconds, rate: OTHERS_RATE, name: APEX, type: 'TXT', everywhere: true });
        const victim = forgedFlood(port, [VICTIM], [message], VICTIM_RATE, seconds);
        const end = performance.now() + seconds * 1000;
        while (performance.now() < end) {
          await honest.ask(`www.${APEX}`, 'A');
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        const { bytesIn, bytesOut } = await victim;
        measured({
          server: contender.name,
          defence: contender.defence,
          hosts: await others,
          victimRatio: bytesOut / bytesIn,
          grewMiB: residentMiB(target.pid) - before,
          honest: honest.answered / honest.asked,
        });
      } finally {
        await target.stop();
      }
    }
  } finally {
    await nsd.stop();
  }
}

/** Resident memory of a process in MiB (proc(5)). */
function residentMiB(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1];
  return Math.round((Number(pages) * 4096) / 2 ** 20);
}
