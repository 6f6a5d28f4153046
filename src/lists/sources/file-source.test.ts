import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fileSource } from './file-source.ts';
import type { FetchResult, ListSource, Provenance } from './source.ts';
import { ManualTimers, systemTimers, type Timers } from './timers.ts';

const root = mkdtempSync(join(tmpdir(), 'sekisho-file-'));
afterAll(() => rmSync(root, { recursive: true }));
const { signal } = new AbortController();

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(root, 'list-'));
  path = join(mkdtempSync(join(root, 'given-')), 'list.txt');
});

function make(timers: Timers = systemTimers): { source: ListSource; fetch(again?: boolean): Promise<FetchResult> } {
  let delivered: Provenance | undefined;
  const known = (): { delivered?: Provenance } => (delivered ? { delivered } : {});
  const source = fileSource({ path, folder, maxBytes: 1000, known, timers });
  return {
    source,
    async fetch(again = false) {
      const result = await source.fetch(signal, { again });
      if (result.kind === 'content') delivered = result.provenance;
      return result;
    },
  };
}

describe('a list in a file', () => {
  it('is copied when it differs, and only then', async () => {
    writeFileSync(path, 'one.example\n');
    const { fetch } = make();
    const first = await fetch();
    expect(first).toMatchObject({ kind: 'content', provenance: { source: `file:${path}`, bytes: 12 } });
    expect(first.kind === 'content' && readFileSync(first.path, 'utf8')).toBe('one.example\n');
    expect((await fetch()).kind).toBe('unchanged');
    utimesSync(path, 1, 1);
    expect((await fetch()).kind).toBe('unchanged');
    expect((await fetch(true)).kind).toBe('content');
    appendFileSync(path, 'two.example\n');
    expect((await fetch()).kind).toBe('content');
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('says why there is none: not there, a folder, too long', async () => {
    const { fetch } = make();
    expect(await fetch()).toEqual({ kind: 'failed', reason: `${path} is not there` });
    writeFileSync(path, 'x'.repeat(1001));
    expect(await fetch()).toEqual({ kind: 'failed', reason: `${path} is longer than the limit of 1000B` });
    rmSync(path);
    path = folder;
    expect(await make().fetch()).toEqual({ kind: 'failed', reason: `${folder} is no regular file` });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is fetched again where the list came from elsewhere before', async () => {
    writeFileSync(path, 'one.example\n');
    const first = await make().fetch();
    if (first.kind !== 'content') throw new Error('no content');
    const delivered = { ...first.provenance, source: 'http://elsewhere/' };
    const source = fileSource({ path, folder, maxBytes: 1000, known: () => ({ delivered }) });
    expect((await source.fetch(signal)).kind).toBe('content');
  });
});

describe('a change', () => {
  /** Resolves when the source has reported a change. Real time: it is the kernel that reports. */
  function changes(source: ListSource): { next(): Promise<void>; stop(): void } {
    let count = 0;
    let wake = (): void => {};
    const stop = source.watch?.(() => {
      count++;
      wake();
    });
    return {
      async next() {
        while (count === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        count = 0;
      },
      stop: () => stop?.(),
    };
  }

  it('is noticed in place, by replacement, and after the file was away', async () => {
    writeFileSync(path, 'one\n');
    const source = fileSource({ path, folder, maxBytes: 1000, known: () => ({}), settleMs: 5, pollMs: 60_000 });
    const heard = changes(source);
    appendFileSync(path, 'two\n');
    await heard.next();
    writeFileSync(`${path}.new`, 'three\n');
    renameSync(`${path}.new`, path);
    await heard.next();
    rmSync(path);
    await heard.next();
    expect((await source.fetch(signal)).kind).toBe('failed');
    writeFileSync(path, 'four\n');
    await heard.next();
    expect((await source.fetch(signal)).kind).toBe('content');
    heard.stop();
  });

  it('is reported once it has settled, and found by looking where the system tells nothing', async () => {
    const timers = new ManualTimers();
    // The folder does not exist: there is nothing to watch, so only the look every half minute is left.
    path = join(folder, 'later', 'list.txt');
    const { source } = make(timers);
    let count = 0;
    const stop = source.watch?.(() => count++);
    const looked = async (): Promise<void> => {
      while (!timers.delaysMs.includes(30_000)) await new Promise((resolve) => setImmediate(resolve));
    };
    await looked();
    mkdirSync(join(folder, 'later'));
    writeFileSync(path, 'one\n');
    timers.advance(30_000);
    await looked();
    writeFileSync(path, 'one and more\n');
    timers.advance(30_000);
    await looked();
    timers.advance(249);
    expect(count).toBe(0);
    timers.advance(1);
    expect(count).toBe(1);
    stop?.();
    expect(timers.delaysMs).toEqual([]);
  });
});
