/** What becomes of the rules of a version that kept sinkhole rules and measures apart. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { describe, expect, test } from 'vitest';
import {
  formerFolder,
  formerMeasure as measure,
  FORMER_NOW as NOW,
  formerRule as rule,
} from '../../test/support/former-rules.ts';
import { openSqliteRuleStore, RULES_FILE } from './sqlite-rule-store.ts';

function folderOf(parts: Parameters<typeof formerFolder>[0]): string {
  const folder = formerFolder(parts);
  mkdirSync(join(folder, 'rules'));
  return folder;
}
const open = (folder: string) => openSqliteRuleStore(join(folder, 'rules', RULES_FILE), folder, NOW);
const files = (folder: string) => ['sinkhole', 'measures'].flatMap((sub) => readdirSync(join(folder, sub)));

describe('rules of a former version', () => {
  test('in force stay in force, ended ones stay ended, and both change logs are one', async () => {
    const folder = folderOf({
      rules: [rule('runs.example', { subtree: true }), rule('counts.example', { dryRun: true }), rule('over.example')],
      ruleLog: [
        ['add', rule('gone.example'), NOW - 5000],
        ['remove', rule('gone.example'), NOW - 4000],
        ['add', rule('runs.example'), NOW - 3000],
        ['expire', rule('over.example'), NOW - 1000],
      ],
      measures: [measure('m4'), measure('m3', { state: 'lifted', endedAtMs: NOW - 10, endedWhy: 'over' })],
      measureLog: [
        ['apply', measure('m3'), NOW - 4500],
        ['lift', measure('m3', { state: 'lifted' }), NOW - 10],
      ],
    });
    const { store, takenOver } = await open(folder);
    expect(takenOver).toEqual({ rules: 5, changes: 6 });
    expect((await store.rules()).map(({ origin, plugin, match, state }) => [origin, plugin, match, state])).toEqual([
      ['diagnosis', 'amp-shaper', { source: '192.0.2.0/24' }, 'lifted'],
      ['diagnosis', 'amp-shaper', { source: '192.0.2.77' }, 'in-force'],
      ['operator', 'sinkhole', { domain: 'runs.example' }, 'in-force'],
      ['operator', 'sinkhole', { name: 'over.example' }, 'expired'],
      ['operator', 'sinkhole', { name: 'counts.example' }, 'dry-run'],
    ]);
    expect((await store.rules()).filter(({ origin }) => origin === 'diagnosis').map(({ id }) => id)).toEqual([
      'm3',
      'm4',
    ]);
    expect((await store.changes(10)).map(({ action, rule: { plugin } }) => `${action} ${plugin}`)).toEqual([
      'lift amp-shaper',
      'expire sinkhole',
      'add sinkhole',
      'lift sinkhole',
      'add amp-shaper',
      'add sinkhole',
    ]);
    expect(await store.nextNumber()).toBeGreaterThan(4);
    await store.close();
    // Nothing is left where it was, and another start takes nothing over again.
    expect(files(folder)).toEqual([]);
    const again = await open(folder);
    expect([again.takenOver, (await again.store.changes(100)).length]).toEqual([undefined, 6]);
  });

  test('a rule that both stores knew is one; a measure whose rule was gone is lifted; a rule nobody would lift ends by its term', async () => {
    const carried = (id: string, name: string) =>
      measure(id, { plugin: 'sinkhole', match: { name }, limitPerSecond: 0 });
    const folder = folderOf({
      // The kill between the two writes left half.example without its measure.
      rules: [rule('both.example'), rule('half.example')],
      measures: [carried('m1', 'both.example'), carried('m2', 'removed.example')],
    });
    const { store } = await open(folder);
    const rules = await store.rules();
    expect(rules.map(({ id, origin, match, state }) => [id, origin, match.name, state])).toEqual([
      ['m1', 'diagnosis', 'both.example', 'in-force'],
      ['m2', 'diagnosis', 'removed.example', 'lifted'],
      [rules[2]?.id, 'operator', 'half.example', 'in-force'],
    ]);
    expect((await store.changes(1))[0]).toMatchObject({ action: 'lift', reason: /its rule was removed/ });
  });

  test('cut off after the commit, before the files were removed: they are not read again', async () => {
    const folder = folderOf({ rules: [rule('runs.example')], measures: [measure('m1')] });
    const kept = new Map(
      ['sinkhole/desk.db', 'measures/measures.db'].map((file) => [file, readFileSync(join(folder, file))]),
    );
    const { store } = await open(folder);
    await store.close();
    const db = new Database(join(folder, 'rules', RULES_FILE));
    for (const [file, content] of kept) {
      writeFileSync(join(folder, file), content);
      db.prepare('INSERT INTO taken_over (file, at) VALUES (?, 0)').run(file);
    }
    db.close();
    const again = await open(folder);
    expect([again.takenOver, (await again.store.rules()).length, files(folder)]).toEqual([undefined, 2, []]);
  });

  test('a file that does not let itself be read now loses nothing: the start after takes it over', async () => {
    const folder = folderOf({ measures: [measure('m1')] });
    const other = new Database(join(folder, 'measures', 'measures.db'));
    other.exec('BEGIN EXCLUSIVE');
    await expect(open(folder)).rejects.toThrow(/locked/);
    other.exec('ROLLBACK');
    other.close();
    const { store } = await open(folder);
    expect((await store.rules()).map(({ state }) => state)).toEqual(['in-force']);
  });

  test('a damaged file is moved aside, and the other one taken over', async () => {
    const folder = folderOf({ measures: [measure('m1')] });
    for (const file of readdirSync(join(folder, 'sinkhole')))
      writeFileSync(join(folder, 'sinkhole', file), 'no database at all '.repeat(1000));
    const { store, movedAside } = await open(folder);
    expect(movedAside).toContain(join('sinkhole', 'desk.db.damaged-'));
    expect((await store.rules()).map(({ id }) => id)).toEqual(['m1']);
  });

  test('a version that ran in between gets other numbers than those that are taken', async () => {
    const folder = folderOf({ measures: [measure('m1')] });
    await (await open(folder)).store.close();
    const second = folderOf({ measures: [measure('m1', { match: { source: '192.0.2.99' } })] });
    writeFileSync(join(folder, 'measures', 'measures.db'), readFileSync(join(second, 'measures', 'measures.db')));
    const { store } = await open(folder);
    expect((await store.rules()).map(({ id, match }) => [id, match.source])).toEqual([
      ['m1', '192.0.2.77'],
      ['m2', '192.0.2.99'],
    ]);
    expect(existsSync(join(folder, 'measures', 'measures.db'))).toBe(false);
  });
});
