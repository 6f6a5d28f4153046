import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { closeDataFolder, makeDataFolder } from './data-folder.ts';
import { lockDataFolder } from './data-folder-lock.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sekisho-data-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test('makes the folder and those above it, for the owner alone', () => {
  makeDataFolder(join(root, 'a', 'b'));
  expect(statSync(join(root, 'a', 'b')).mode & 0o777).toBe(0o700);
  makeDataFolder(join(root, 'a', 'b'));
});

test('a file in its place is refused', () => {
  writeFileSync(join(root, 'file'), '');
  expect(() => makeDataFolder(join(root, 'file'))).toThrow(/is not a folder/);
  expect(() => makeDataFolder(join(root, 'file', 'below'))).toThrow(/server\.data/);
});

test.runIf(existsSync('/proc/self'))('a place where nothing can be made is refused, not tried for ever', () => {
  expect(() => makeDataFolder('/proc/nowhere')).toThrow(/server\.data \/proc\/nowhere/);
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

test('what others could read is closed, and said; a link and what it leads to stay as they are', () => {
  const said: string[] = [];
  const log = { warn: ({ path }: { path: string }) => void said.push(path.slice(root.length)) };
  const data = join(root, 'data');
  mkdirSync(join(data, 'lists'), { recursive: true });
  for (const [path, mode] of [
    ['data/consent.db', 0o644],
    ['data/lists/a.bin', 0o640],
    ['data/closed', 0o600],
    ['elsewhere', 0o644],
  ] as const) {
    writeFileSync(join(root, path), '');
    chmodSync(join(root, path), mode);
  }
  symlinkSync(join(root, 'elsewhere'), join(data, 'link'));
  for (const folder of ['data', 'data/lists']) chmodSync(join(root, folder), 0o755);
  closeDataFolder(data, log as never);
  expect(['data', 'data/lists'].map((path) => modeOf(join(root, path)))).toEqual([0o700, 0o700]);
  expect(['data/consent.db', 'data/lists/a.bin'].map((path) => modeOf(join(root, path)))).toEqual([0o600, 0o600]);
  expect(modeOf(join(root, 'elsewhere'))).toBe(0o644);
  expect(said.sort()).toEqual(['/data', '/data/consent.db', '/data/lists', '/data/lists/a.bin']);
  closeDataFolder(data, log as never);
  expect(said).toHaveLength(4);
});

test('a folder that others can write to is refused: what lies in it may be theirs', () => {
  for (const mode of [0o770, 0o702, 0o777]) {
    chmodSync(root, mode);
    expect(() => closeDataFolder(root, { warn: () => {} })).toThrow(
      expect.objectContaining({ code: 'SEKISHO_DATA_OPEN', message: expect.stringContaining('others may write') }),
    );
  }
});

test('the folder is for one holder at a time, who is named to the second', () => {
  const never = () => expect.unreachable();
  const release = lockDataFolder(root, Date.parse('2026-11-28T15:00:00Z'), never);
  expect(() => lockDataFolder(root, 0, never)).toThrow(
    expect.objectContaining({
      code: 'SEKISHO_DATA_IN_USE',
      message: expect.stringContaining(`process ${process.pid}, since 2026-11-28T15:00:00.000Z`),
    }),
  );
  release();
  lockDataFolder(root, 0, never)();
});
