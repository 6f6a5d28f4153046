import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../time/clock.ts';
import { IncomingFile } from './incoming-file.ts';
import { LastGood, type Version } from './last-good.ts';
import type { Provenance } from './source.ts';

const root = mkdtempSync(join(tmpdir(), 'sekisho-last-good-'));
afterAll(() => rmSync(root, { recursive: true }));

let data = '';
const clock = new ManualClock();
beforeEach(() => {
  data = mkdtempSync(join(root, 'data-'));
});

const open = (): ReturnType<typeof LastGood.open> => LastGood.open(data, 'feed', clock);

async function incoming(
  store: LastGood,
  text: string,
): Promise<{ path: string; version: Omit<Version, 'decidedAtMs'> }> {
  const file = await IncomingFile.create(store.folder, 1e6);
  await file.write(Buffer.from(text));
  const { path, sha256, bytes } = await file.finish();
  const provenance: Provenance = { source: 'file:/x', fetchedAtMs: clock.wallMs(), sha256, bytes };
  return { path, version: { provenance, counts: { names: text.length }, verdict: 'passed' } };
}

async function install(store: LastGood, text: string): Promise<void> {
  const { path, version } = await incoming(store, text);
  await store.install(path, version);
}

function texts(store: LastGood): (string | undefined)[] {
  return [store.current, store.previous, store.refused].map((each) => each && readFileSync(each.path, 'utf8'));
}

const stored = (store: LastGood): string[] => readdirSync(store.folder).filter((name) => name.endsWith('.list'));

describe('the last good version', () => {
  it('is there after a restart, with all that is known of it', async () => {
    const { store } = await open();
    expect([store.current, store.known()]).toEqual([undefined, {}]);
    await install(store, 'one');
    const { store: again, problems } = await open();
    expect(problems).toEqual([]);
    expect(texts(again)).toEqual(['one', undefined, undefined]);
    expect(again.current).toEqual(store.current);
    expect(again.known().delivered?.sha256).toBe(again.current?.provenance.sha256);
  });

  it('has one before it, and no more files than needed', async () => {
    const { store } = await open();
    for (const text of ['one', 'two', 'three', 'three']) await install(store, text);
    expect(texts(store)).toEqual(['three', 'two', undefined]);
    expect(stored(store)).toHaveLength(2);
    await install(store, 'two');
    expect(texts(store)).toEqual(['two', 'three', undefined]);
    expect(stored(store)).toHaveLength(2);
  });

  it('is rolled back and forth, and the source is not asked for the bad one again', async () => {
    const { store } = await open();
    await install(store, 'good');
    await expect(store.rollback()).rejects.toThrow('there is no previous version');
    await install(store, 'bad');
    const bad = store.current?.provenance;
    await store.rollback();
    const { store: again } = await open();
    expect(texts(again)).toEqual(['good', 'bad', undefined]);
    expect(again.known().delivered).toEqual(bad);
    await again.rollback();
    expect(texts(again)).toEqual(['bad', 'good', undefined]);
  });

  it('stays in force while a refused one is held back, until an override accepts that', async () => {
    const { store } = await open();
    await install(store, 'good');
    const { path, version } = await incoming(store, 'huge');
    await store.refuse(path, { ...version, verdict: 'grew by 900 %' });
    expect(texts(store)).toEqual(['good', undefined, 'huge']);
    expect(store.known().delivered).toEqual(version.provenance);

    const { store: again } = await open();
    await again.acceptRefused({ approver: 'yuki', reason: 'the vendor merged two feeds' });
    expect(texts(again)).toEqual(['huge', 'good', undefined]);
    expect(again.current).toMatchObject({
      verdict: 'grew by 900 %',
      override: { approver: 'yuki', atMs: clock.wallMs() },
    });
    await expect(again.acceptRefused({ approver: 'x', reason: 'y' })).rejects.toThrow('no refused version');
  });

  it('forgets what was refused when something newer passes', async () => {
    const { store } = await open();
    const { path, version } = await incoming(store, 'huge');
    await store.refuse(path, version);
    await install(store, 'fine');
    expect(texts(store)).toEqual(['fine', undefined, undefined]);
    expect(stored(store)).toHaveLength(1);
  });

  it('notes when it was confirmed, and new validators', async () => {
    const { store } = await open();
    await install(store, 'one');
    clock.advance(5000);
    const provenance = { ...(store.current?.provenance as Provenance), etag: '"2"' };
    await store.confirm(provenance);
    const { store: again } = await open();
    expect([again.confirmedAtMs, again.current?.provenance.etag]).toEqual([clock.wallMs(), '"2"']);
  });
});

describe('what is found broken at the start', () => {
  it('is moved aside, and the previous version is used', async () => {
    const { store } = await open();
    await install(store, 'one');
    await install(store, 'two');
    writeFileSync(store.current?.path ?? '', 'twO');
    const { store: again, problems } = await open();
    expect(problems).toEqual([
      expect.stringMatching(
        /current version of the list is lost: .* does not match its checksum: moved aside as corrupt-/,
      ),
      'the previous version is used instead',
    ]);
    expect(texts(again)).toEqual(['one', undefined, undefined]);
    // So that the source brings the lost one again.
    expect(again.known().delivered).toBeUndefined();
    expect(readdirSync(again.folder).filter((name) => name.startsWith('corrupt-'))).toHaveLength(1);
    expect((await open()).problems).toEqual([]);
  });

  it('may be everything: then there is nothing, and a message', async () => {
    const { store } = await open();
    await install(store, 'one');
    rmSync(store.current?.path ?? '');
    const { store: again, problems } = await open();
    expect(problems).toEqual([expect.stringContaining('is not there')]);
    expect(again.current).toBeUndefined();
  });

  it.each(['{"format":', '{"format":2}', '{"format":1,"current":{"provenance":{"sha256":"../../x"}}}', 'null'])(
    'may be the metadata (%s): content proves itself',
    async (metadata) => {
      const { store } = await open();
      await install(store, 'one');
      writeFileSync(join(store.folder, 'metadata.json'), metadata);
      const { store: again, problems } = await open();
      expect(problems[0]).toMatch(/metadata\.json cannot be read .*moved aside/);
      expect(texts(again)).toEqual(['one', undefined, undefined]);
      expect((await open()).problems).toEqual([]);
    },
  );

  it('may be half a download of the process before: it is removed', async () => {
    const { store } = await open();
    await incoming(store, 'half');
    await open();
    expect(readdirSync(store.folder)).toEqual([]);
  });
});

it('refuses names that lead out of its folder', async () => {
  for (const name of ['../x', '', '.', 'a/b', '.hidden'])
    await expect(LastGood.open(data, name)).rejects.toThrow(TypeError);
});
