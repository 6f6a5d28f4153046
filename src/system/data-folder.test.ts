import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDataFolder } from './data-folder.ts';

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
  expect(() => makeDataFolder(join(root, 'file'))).toThrow(/no folder/);
  expect(() => makeDataFolder(join(root, 'file', 'below'))).toThrow(/server\.data/);
});

test.runIf(existsSync('/proc/self'))('a place where nothing can be made is refused, not tried for ever', () => {
  expect(() => makeDataFolder('/proc/nowhere')).toThrow(/server\.data \/proc\/nowhere/);
});
