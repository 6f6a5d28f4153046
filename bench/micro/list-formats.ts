/**
 * What reading a list costs (src/lists/formats/, src/lists/guard/): names per second for each format, from a file of a
 * million names in a temporary folder to a sink that only counts, and once more through the guard's scan.
 * Run after a build: `node dist/bench/micro/list-formats.js [names]`. Medians of ROUNDS, CPU time of the whole process.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { columnsSchema } from '../../src/lists/formats/columns-schema.ts';
import { createListParser, LIST_FORMATS, type ListFormat } from '../../src/lists/formats/parser.ts';
import type { EntrySink, HashedSink } from '../../src/lists/formats/sink.ts';
import { guardSchema } from '../../src/lists/guard/options.ts';
import { PopularNames } from '../../src/lists/guard/popular-names.ts';
import { publicSuffixRules } from '../../src/lists/guard/public-suffix-rules.ts';
import { GuardScan } from '../../src/lists/guard/scan.ts';
import { SuspectNames } from '../../src/lists/guard/suspect-names.ts';

const ROUNDS = 5;
const CHUNK_BYTES = 1 << 16;
const count = Number(process.argv[2] ?? 1_000_000);

const LINE: Record<ListFormat, (name: string, random: () => number) => string> = {
  rpz: (name) => `${name} CNAME .\n`,
  hosts: (name) => `0.0.0.0 ${name}\n`,
  domains: (name) => `${name}\n`,
  adblock: (name) => `||${name}^\n`,
  csv: (name, random) => `2026-11-22,${name},${Math.floor(random() * 100)},c2,"seen, twice"\n`,
  jsonl: (name, random) => `{"domain":"${name}","confidence":${Math.floor(random() * 100)},"type":"c2"}\n`,
};
const HEAD: Partial<Record<ListFormat, string>> = {
  rpz: '$TTL 60\n@ SOA a. b. 1 1h 1h 1d 60\n NS c.\n',
  csv: 'seen,domain,confidence,type,note\n',
};

/** mulberry32: seeded, so that every run reads the same names. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Two to four labels of 3–16 characters under a few common tops, as reputation lists have them. */
function randomName(random: () => number): string {
  const tops = ['com', 'com', 'com', 'net', 'org', 'xyz', 'top', 'ru', 'co.jp', 'info'];
  let name = '';
  for (let labels = 1 + Math.floor(random() * random() * 3); labels >= 0; labels--) {
    for (let size = 3 + Math.floor(random() * 14); size > 0; size--) {
      name += 'abcdefghijklmnopqrstuvwxyz0123456789'[Math.floor(random() * 36)];
    }
    name += '.';
  }
  return name + tops[Math.floor(random() * tops.length)];
}

class CountingSink implements EntrySink, HashedSink {
  entries = 0;
  bytes = 0;
  entry(_name: Uint8Array, length: number): void {
    this.entries++;
    this.bytes += length;
  }
  nameServer(): void {
    this.entries++;
  }
  hashedEntry(): void {
    this.entries++;
  }
  hashedNameServer(): void {
    this.entries++;
  }
  network(): void {
    this.entries++;
  }
}

function write(folder: string, format: ListFormat): string {
  const random = seeded(42);
  const path = join(folder, format);
  const file = openSync(path, 'w');
  let part = HEAD[format] ?? '';
  for (let i = 0; i < count; i++) {
    part += LINE[format](randomName(random), random);
    if (part.length > 1 << 20 || i === count - 1) {
      writeSync(file, part);
      part = '';
    }
  }
  closeSync(file);
  return path;
}

function read(path: string, format: ListFormat, sink: EntrySink): number {
  const columns = columnsSchema.parse({
    name: 'domain',
    score: 'confidence',
    category: 'type',
    'min-score': 0,
    categories: ['c2'],
  });
  const begin = process.cpuUsage();
  const parser = createListParser(format, { columns }, sink);
  const chunk = new Uint8Array(CHUNK_BYTES);
  const file = openSync(path, 'r');
  for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) parser.feed(chunk.subarray(0, size));
  closeSync(file);
  const summary = parser.end();
  const { user, system } = process.cpuUsage(begin);
  if (summary.entries !== count || summary.rejected > 0)
    throw new Error(`${format}: ${JSON.stringify(summary.reasons)}`);
  return (user + system) / 1e6;
}

const popularFile = new URL('../../../lists/popular.txt', import.meta.url);
const popular = PopularNames.parse(readFileSync(popularFile, 'utf8')).names;
const options = guardSchema.parse({});
const key = [1, 2, 3, 4] as const;
const suspects = new SuspectNames(key, popular, publicSuffixRules());
const folder = mkdtempSync(join(tmpdir(), 'sekisho-list-formats-'));
const rows: Record<string, string | number>[] = [];
try {
  for (const format of LIST_FORMATS) {
    const path = write(folder, format);
    const median = (sink: () => EntrySink): number =>
      Array.from({ length: ROUNDS }, () => read(path, format, sink())).sort((one, other) => one - other)[ROUNDS >> 1]!;
    const alone = median(() => new CountingSink());
    const guarded = median(() => new GuardScan(new CountingSink(), { options, popular, suspects, key }));
    const million = (seconds: number): string => (count / seconds / 1e6).toFixed(2);
    rows.push({ format, 'M names/s': million(alone), 'with the guard, M names/s': million(guarded) });
    rmSync(path);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.table(rows);
