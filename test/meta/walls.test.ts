/** The walls hold: the house as it stands crosses none, and a planted import is found. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';

const folder = temporaryFolder('walls');
const copy = join(folder, 'house');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('walls', () => {
  it('are crossed by no import of the house as it stands', () => {
    expect(walls(repositoryRoot())).toEqual({ status: 0, problems: [] });
  });

  describe('in a copy of the house', () => {
    beforeEach(() => {
      rmSync(copy, { recursive: true, force: true });
      mkdirSync(copy);
      for (const part of ['src', 'plugins', 'walls.json', 'ARCHITECTURE.md'])
        cpSync(join(repositoryRoot(), part), join(copy, part), { recursive: true });
    });

    it('a planted import upwards is found, with its line', () => {
      plant('src/wire/name.ts', "import type {} from '../chain/chain.ts';\n");
      const { status, problems } = walls(copy);
      expect(status).toBe(1);
      expect(problems).toContain('src/wire/name.ts:1: src/wire may not import from src/chain (src/chain/chain.ts)');
    });

    it('a plugin that imports another plugin, or past the contract, is found', () => {
      plant('plugins/whoami/index.ts', "import '../access/index.ts';\nimport '../../src/cli/cli.ts';\n");
      const { problems } = walls(copy);
      expect(problems.join('\n')).toMatch(/folders of plugins may not import from each other/);
      expect(problems.join('\n')).toMatch(/plugins may not import from src\/cli/);
    });

    it('a circle of two files in one room is found', () => {
      writeFileSync(join(copy, 'src/wire/one.ts'), "import './other.ts';\n");
      writeFileSync(join(copy, 'src/wire/other.ts'), "import './one.ts';\n");
      expect(walls(copy).problems).toEqual([
        'circle of files: src/wire/one.ts -> src/wire/other.ts -> src/wire/one.ts',
      ]);
    });

    it('a file without a room, a sixth file at the root and a stale table are found', () => {
      for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(copy, `src/${name}.ts`), "import './main.ts';\n");
      writeFileSync(join(copy, 'ARCHITECTURE.md'), 'nothing');
      const text = walls(copy).problems.join('\n');
      expect(text).toMatch(/src\/a\.ts: lies in no room/);
      expect(text).toMatch(/src\/ holds 6 files at its root, more than 5/);
      expect(text).toMatch(/ARCHITECTURE\.md: its table is not that of walls\.json/);
    });

    it('a table that names a room above, or an import that nobody uses, is refused', () => {
      const table = JSON.parse(readFileSync(join(copy, 'walls.json'), 'utf8'));
      table.rooms[0].imports.push(table.rooms[1].path);
      table.rooms.find(({ path }: { path: string }) => path === 'src/wire').imports.push('src/errors');
      writeFileSync(join(copy, 'walls.json'), JSON.stringify(table));
      const text = walls(copy).problems.join('\n');
      expect(text).toMatch(/which does not lie below it/);
      expect(text).toMatch(/src\/wire may import from src\/errors and does not; take it out/);
    });
  });
});

function plant(file: string, line: string): void {
  const path = join(copy, file);
  writeFileSync(path, line + readFileSync(path, 'utf8'));
}

function walls(repository: string): { status: number | null; problems: string[] } {
  const script = join(repositoryRoot(), 'scripts/walls.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, 'check', '--repo', repository], { encoding: 'utf8' });
  return { status, problems: stderr.split('\n').filter((line) => line !== '' && !line.startsWith('walls: ')) };
}
