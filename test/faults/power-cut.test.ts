/**
 * The power goes at any system call of a program that changes consents: what it acknowledged is there in the ledger and in the
 * audit log, neither reads as damaged, and nothing that came into force goes without an entry in the audit log.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { ANCHORS_FOLDER, AuditLog } from '../../src/audit/log.ts';
import { fileIdentity } from '../../src/store/anchor.ts';
import { entriesOf } from '../../src/subscribers/consent/ledger-store.ts';
import { LEDGER_FILE, SubscriberState } from '../../src/subscribers/state.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Random } from '../scenarios/random.ts';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { type Luck, readTrace, STRACE, TracedDisk } from '../support/power-cut.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';

vi.setConfig({ testTimeout: 240_000 });
const missing = ensurePackages(['strace']);
const SEEDS = [1, 2];
const CHANGES = 40;

/** Which of what was not flushed reached the disk; undefined: any part. */
const LUCK: ((path: string) => Luck | undefined)[] = [
  () => undefined,
  () => undefined,
  () => 'none of it',
  () => 'all of it',
  (path) => (path.includes('consent') ? 'all of it' : 'none of it'),
  (path) => (path.includes('consent') ? 'none of it' : 'all of it'),
];

/** Someone who was told, in the order of the telling. */
interface Told {
  readonly subscriber: string;
  readonly action: string;
}

describe.skipIf(missing.size > 0)('the power goes while consents change', () => {
  it.each(SEEDS)('and nothing that was acknowledged is lost, and nothing reads as damage (run %i)', async (seed) => {
    const folder = temporaryFolder('power-cut');
    const trace = join(folder, 'trace');
    const data = join(folder, 'data');
    const program = fileURLToPath(new URL('./consent-changes.mjs', import.meta.url));
    const compiled = pathToFileURL(`${join(repositoryRoot(), 'dist')}/`).href;
    const traced = spawnSync(
      requireProgram('strace'),
      [...STRACE, '-o', trace, process.execPath, program, compiled, data, String(CHANGES), String(seed)],
      { encoding: 'utf8' },
    );
    expect(traced.stderr).toBe('');
    expect(traced.stdout.trim().split('\n')).toHaveLength(CHANGES);

    const disk = new TracedDisk(data);
    const luck = new Random(seed);
    let cuts = 0;
    for (const call of readTrace(trace)) {
      if (!disk.follow(call) || luck.below(3) > 0) continue;
      const told = disk.output
        .split('\n')
        .filter((line) => line !== '')
        .map((line): Told => ({ subscriber: line.split(' ')[0]!, action: line.split(' ')[1]! }));
      const which = LUCK[luck.below(LUCK.length)]!;
      const after = join(folder, 'after');
      disk.cut(after, (path) => which(path) ?? luck);
      expect(await whatIsWrong(after, told), `cut ${cuts}, after ${told.length} changes: ${call.name}`).toEqual([]);
      cuts++;
    }
    expect(cuts).toBeGreaterThan(100);
  });
});

/** Start on what is left as the server does, and look. */
async function whatIsWrong(data: string, told: readonly Told[]): Promise<string[]> {
  keepIdentities(data);
  const silent = pino({ level: 'silent' });
  const audit = new AuditLog(data, systemClock, silent);
  const state = new SubscriberState(data, systemClock, silent, undefined, { audit });
  const wrong: string[] = [];
  if (audit.damage !== undefined) wrong.push(`audit log: ${audit.damage}`);
  if (state.damage !== undefined) wrong.push(`ledger: ${state.damage}`);
  const verdict = await audit.verify();
  if (!verdict.ok) wrong.push(`audit log, verified: ${verdict.problem}`);
  const entries = await entriesOf(state.ledger, {});
  const last = new Map(entries.map(({ subscriber, seq }) => [subscriber, seq]));
  const detailsOf = async (action: string) =>
    (await audit.details(action, '2000', '2100')).map(({ detail }) => detail as Told & { from: number; to: number });
  const audited: string[] = [];
  for (const action of ['opt-in', 'opt-out'])
    audited.push(...(await detailsOf(`consent.${action}`)).map(({ subscriber }) => `${subscriber} ${action}`));
  const recovered = await detailsOf('consent.recovered');
  const count = (list: readonly string[], what: string) => list.filter((each) => each === what).length;
  const inLedger = entries.map(({ subscriber, action }) => `${subscriber} ${action}`);
  const acknowledged = told.map(({ subscriber, action }) => `${subscriber} ${action}`);
  for (const what of new Set(acknowledged)) {
    if (count(inLedger, what) < count(acknowledged, what)) wrong.push(`acknowledged and not in the ledger: ${what}`);
    if (count(audited, what) < count(acknowledged, what)) wrong.push(`acknowledged and not in the audit log: ${what}`);
  }
  for (const { subscriber, action, seq } of entries) {
    const what = `${subscriber} ${action}`;
    const known = count(audited, what) >= count(inLedger, what);
    if (!known && !recovered.some(({ from, to }) => seq >= from && seq <= to) && last.get(subscriber) === seq)
      wrong.push(`in the ledger as entry ${seq}, and the audit log knows nothing of it: ${what}`);
  }
  audit.look();
  await state.close();
  audit.close();
  return wrong;
}

/** The files are copies of what the disk holds, and their anchors note which files they were. */
function keepIdentities(data: string): void {
  for (const [name, file] of [
    ['audit', join(data, 'audit.db')],
    ['consent', join(data, 'subscribers', LEDGER_FILE)],
  ] as const) {
    const path = join(data, ANCHORS_FOLDER, name);
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch {
      continue;
    }
    for (let at = 0; at < bytes.length; at += 4096) {
      const [line = ''] = bytes
        .subarray(at, at + 4096)
        .toString('utf8')
        .split('\n', 1);
      const text = line.slice(65);
      if (sha256(text) !== line.slice(0, 64)) continue;
      const slot = JSON.parse(text) as { anchor: { file: string } };
      slot.anchor.file = fileIdentity(file);
      const mended = JSON.stringify(slot);
      bytes.fill(0x20, at, at + 4096);
      bytes.write(`${sha256(mended)} ${mended}\n`, at);
    }
    writeFileSync(path, bytes);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
