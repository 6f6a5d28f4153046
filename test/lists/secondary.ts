/** Our side of a transfer, in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DnsLimits, dnsSource } from '../../src/lists/sources/dns/dns-source.ts';
import type { TsigAlgorithm, TsigKey } from '../../src/lists/sources/dns/tsig-key.ts';
import { LastGood } from '../../src/lists/sources/last-good.ts';
import type { FetchOptions, FetchResult } from '../../src/lists/sources/source.ts';
import { randomPool } from '../../src/resolve/forward/random.ts';
import { type Clock, systemClock } from '../../src/time/clock.ts';
import { temporaryFolder } from '../support/process.ts';
import type { PrimaryKey } from './primary.ts';

export interface Secondary {
  readonly store: LastGood;
  /** Fetch, and put into force what comes. */
  update(options?: FetchOptions): Promise<FetchResult>;
  /** Temporary files lying about. */
  leftovers(): string[];
}

export interface SecondaryOptions {
  readonly port: number;
  readonly zone: string;
  readonly key?: PrimaryKey;
  readonly clock?: Clock;
  readonly limits?: Partial<DnsLimits>;
  readonly data?: string;
  readonly maxBytes?: number;
}

export async function makeSecondary(options: SecondaryOptions): Promise<Secondary> {
  const { clock = systemClock } = options;
  const { store } = await LastGood.open(options.data ?? temporaryFolder('secondary'), 'feed', clock);
  const source = dnsSource({
    primary: { host: '127.0.0.1', port: options.port },
    zone: options.zone,
    folder: store.folder,
    maxBytes: options.maxBytes ?? 2 ** 28,
    known: () => store.known(),
    random: randomPool(),
    limits: { connectMs: 2000, idleMs: 5000, totalMs: 20_000, ...options.limits },
    clock,
    ...(options.key && { key: tsigKey(options.key) }),
  });
  return {
    store,
    async update(fetchOptions) {
      const result = await source.fetch(AbortSignal.timeout(30_000), fetchOptions);
      if (result.kind === 'content') {
        await store.install(result.path, { provenance: result.provenance, counts: {}, verdict: 'passed' });
      } else if (result.kind === 'unchanged') await store.confirm(result.provenance);
      return result;
    },
    leftovers: () => readdirSync(store.folder).filter((name) => name.startsWith('incoming-')),
  };
}

export function tsigKey(key: PrimaryKey): TsigKey {
  const secret = new Uint8Array(Buffer.from(key.secret, 'base64'));
  return { name: key.name, algorithm: key.algorithm as TsigAlgorithm, secret };
}

/** Why a fetch failed; its kind where it did not. */
export function reasonOf(result: FetchResult): string {
  return result.kind === 'failed' ? result.reason : result.kind;
}

/** A master file as BIND understands it: every record in canonical form, sorted, without the SOA. */
export function compiledZone(zone: string, text: string): string[] {
  const file = join(temporaryFolder('compile'), 'zone');
  writeFileSync(file, text);
  const flags = ['-q', '-i', 'none', '-k', 'ignore', '-r', 'ignore', '-o', '-'];
  const { status, stdout, stderr } = spawnSync('named-compilezone', [...flags, zone, file], {
    encoding: 'latin1',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`named-compilezone: ${stdout}${stderr}`);
  const lines = stdout.split('\n').map((line) => line.replace(/\s+/g, ' ').toLowerCase());
  return lines.filter((line) => line !== '' && !/ in soa /.test(line)).sort();
}
