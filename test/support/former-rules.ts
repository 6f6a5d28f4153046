/** A data folder of a version that kept sinkhole rules and measures apart, written as that version wrote it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { temporaryFolder } from './process.ts';

/** Wall-clock milliseconds at which it was written. */
export const FORMER_NOW = Date.UTC(2026, 9, 1);
const NOW = FORMER_NOW;
const HOUR = 365 * 24 * 3_600_000;
const ground = {
  kind: 'self-defence',
  effect: 'floods',
  evidence: 'ticket 1',
  approver: 'lead',
  expires: '2099-01-01',
};
const SINKHOLE = `
  CREATE TABLE rule (name TEXT PRIMARY KEY, rule TEXT NOT NULL) STRICT;
  CREATE TABLE change (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
    name TEXT NOT NULL, reason TEXT NOT NULL, rule TEXT NOT NULL) STRICT;`;
const MEASURES = `
  CREATE TABLE measure (number INTEGER PRIMARY KEY, measure TEXT NOT NULL) STRICT;
  CREATE TABLE change (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
    number INTEGER NOT NULL, reason TEXT NOT NULL, measure TEXT NOT NULL) STRICT;
  CREATE TABLE kept (id INTEGER PRIMARY KEY CHECK (id = 1), before INTEGER NOT NULL, number INTEGER NOT NULL) STRICT;`;

export const formerRule = (name: string, over: object = {}) => ({
  name,
  subtree: false,
  dryRun: false,
  ground,
  endsAtMs: NOW + HOUR,
  addedBy: 'sato',
  addedAtMs: NOW - HOUR,
  termFromMs: NOW - HOUR,
  renewals: 0,
  ...over,
});
export const formerMeasure = (id: string, over: object = {}) => ({
  id,
  plugin: 'amp-shaper',
  match: { source: '192.0.2.77' },
  limitPerSecond: 5,
  limitRationale: '',
  escalation: false,
  normalPerSecond: 1,
  startPerSecond: 100,
  removes: 0.9,
  hits: 0,
  diagnosis: 'd1',
  cause: 'broken-client',
  ground,
  escalated: '',
  dryRun: false,
  appliedBy: 'suzuki',
  appliedAtMs: NOW - HOUR,
  endsAtMs: NOW + HOUR,
  state: 'in-force',
  endedWhy: '',
  ...over,
});

type Logged = readonly [action: string, of: { readonly name: string } | { readonly id: string }, atMs?: number];

/** A folder as it lay when that version ended, or was killed. */
export function formerFolder(parts: {
  rules?: readonly ReturnType<typeof formerRule>[];
  ruleLog?: readonly Logged[];
  measures?: readonly ReturnType<typeof formerMeasure>[];
  measureLog?: readonly Logged[];
}): string {
  const folder = temporaryFolder('former');
  for (const sub of ['sinkhole', 'measures']) mkdirSync(join(folder, sub));
  const sinkhole = new Database(join(folder, 'sinkhole', 'desk.db'));
  sinkhole.pragma('journal_mode = WAL');
  sinkhole.exec(SINKHOLE);
  for (const each of parts.rules ?? [])
    sinkhole.prepare('INSERT INTO rule (name, rule) VALUES (?, ?)').run(each.name, JSON.stringify(each));
  for (const [action, of, at = NOW] of parts.ruleLog ?? [])
    sinkhole
      .prepare('INSERT INTO change (at_ms, who, action, name, reason, rule) VALUES (?, ?, ?, ?, ?, ?)')
      .run(at, 'sato', action, 'name' in of ? of.name : '', '', JSON.stringify(of));
  sinkhole.close();
  const measures = new Database(join(folder, 'measures', 'measures.db'));
  measures.exec(MEASURES);
  for (const each of parts.measures ?? [])
    measures
      .prepare('INSERT INTO measure (number, measure) VALUES (?, ?)')
      .run(Number(each.id.slice(1)), JSON.stringify(each));
  for (const [action, of, at = NOW] of parts.measureLog ?? [])
    measures
      .prepare('INSERT INTO change (at, who, action, number, reason, measure) VALUES (?, ?, ?, ?, ?, ?)')
      .run(at, 'suzuki', action, 1, '', JSON.stringify(of));
  measures.close();
  return folder;
}
