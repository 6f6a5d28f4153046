/** Zones of the authority, and the files of queries that dnsperf sends. All servers of a round get the same file. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { zoneText } from '../../test/support/nsd.ts';
import { temporaryFolder } from '../../test/support/process.ts';

/** Apex whose names all have one address: an answer of 56 bytes for a name like ours. */
export const SHORT_APEX = 'short.bench';
/** Apex whose names all have four addresses: answers of about 110 bytes. */
export const LONG_APEX = 'long-answer.bench';

/** Apex whose answers have TTL 0: nobody may keep them, so every query is forwarded. */
export const UNCACHED_APEX = 'uncached.bench';

const FOUR_ADDRESSES = ['* A 192.0.2.1', '* A 192.0.2.2', '* A 192.0.2.3', '* A 192.0.2.4'].join('\n');

export const ZONES = [
  { name: SHORT_APEX, text: zoneText(SHORT_APEX, '* A 192.0.2.1') },
  { name: UNCACHED_APEX, text: zoneText(UNCACHED_APEX, '* 0 A 192.0.2.1') },
  { name: LONG_APEX, text: zoneText(LONG_APEX, FOUR_ADDRESSES) },
];

/** Lines written with one call. */
const CHUNK_LINES = 20_000;

let folder: string | undefined;

/** Write `count` lines, `line(i)` each, to a new file; returns its path. Removed at exit. */
export function queryFile(name: string, count: number, line: (i: number) => string): string {
  folder ??= temporaryFolder('queries');
  const path = join(folder, name);
  const file = openSync(path, 'w');
  for (let at = 0; at < count; at += CHUNK_LINES) {
    let text = '';
    for (let i = at, end = Math.min(count, at + CHUNK_LINES); i < end; i++) text += `${line(i)}\n`;
    writeSync(file, text);
  }
  closeSync(file);
  return path;
}

/** Name number `i` of a set: as long as the others of the set. */
export function nameOf(apex: string, set: string, i: number): string {
  return `${set}${String(i).padStart(7, '0')}.${apex}`;
}

/** Numbers that look random and are the same in every run: xorshift32 (Marsaglia 2003). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x100000000;
  };
}
