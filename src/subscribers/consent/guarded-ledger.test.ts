import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../test/support/process.ts';
import { ANCHORS_FOLDER, AuditLog } from '../../audit/log.ts';
import { Database } from '../../store/guarded.ts';
import { ManualClock } from '../../time/clock.ts';
import { LEDGER_FILE, SubscriberState } from '../state.ts';
import { ConsentDesk } from './consent-desk.ts';
import { entriesOf } from './ledger-store.ts';
import { SqliteLedger } from './sqlite-ledger.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ACTOR = { who: 'portal', channel: 'portal', reason: 'test' };
const OFFICER = { who: 'officer', role: 'privacy', reason: 'ticket 4711' };
const PROVISIONING = { shortestIpv4: 32, shortestIpv6: 48, portal: false };
const TERMS = {
  terms: { version: 't', covers: ['c2' as const] },
  groups: [],
  unfiltered: [],
  leaseMs: 1000,
  provisioning: PROVISIONING,
};

/** A process on a data folder. */
async function start(data = temporaryFolder('guarded-ledger'), outside?: string) {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const clock = new ManualClock();
  const audit = new AuditLog(data, clock, log, outside);
  const state = new SubscriberState(data, clock, log, undefined, { audit, outside });
  await state.putInForce({
    ...TERMS,
    leaseAfterRestartMs: 0,
    provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
  });
  const stop = async () => {
    audit.look();
    await state.close();
    audit.close();
  };
  closers.push(stop);
  const desk = new ConsentDesk(state);
  return {
    state,
    audit,
    desk,
    data,
    stop,
    file: join(data, 'subscribers', LEDGER_FILE),
    said: (words: string) => lines.some((line) => line.includes(words)),
    /** Looks into who is inspected as the packet threads do. */
    inspected: (subscriber: string) =>
      state.register.consentsNow(state.register.holderFor(subscriber), 'c2') ? 'inspected' : 'left alone',
    optOut: (subscriber: string) => desk.change(subscriber, 'c2', 'opt-out', ACTOR),
    optIn: (subscriber: string) => desk.change(subscriber, 'c2', 'opt-in', ACTOR),
  };
}

/** A stopped process whose ledger has three opt-outs, and a copy of the file with the first of them. */
async function withCopy(outside?: string) {
  const first = await start(undefined, outside);
  await first.optOut('1');
  await first.stop();
  copyFileSync(first.file, `${first.file}.copy`);
  const second = await start(first.data, outside);
  await second.optOut('2');
  await second.optOut('3');
  return second;
}

function sql(file: string, text: string): void {
  const database = new Database(file);
  database.exec('DROP TRIGGER entry_is_not_altered; DROP TRIGGER entry_is_not_deleted');
  database.exec(text);
  database.close();
}

const parts = (file: string) => ['', '-wal', '-shm'].map((part) => file + part);
const removeAll = (file: string) => {
  for (const part of parts(file)) rmSync(part, { force: true });
};
/** What may be done to the ledger, and who of 1, 2 and 3 is known to have opted out when it is accepted after a restart. */
const MEDDLING: [string, string, (file: string) => void][] = [
  ['missing', '', removeAll],
  ['cut at its end', '12', (file) => sql(file, 'DELETE FROM entry WHERE seq = 3')],
  ['thinned out', '13', (file) => sql(file, 'DELETE FROM entry WHERE seq = 2')],
  ['rewritten', '123', (file) => sql(file, "UPDATE entry SET reason = 'x' WHERE seq = 2")],
  ['robbed of its triggers', '123', (file) => sql(file, '')],
  ['emptied', '', (file) => sql(file, 'DROP TABLE entry')],
  ['given other columns', '', (file) => sql(file, 'ALTER TABLE entry RENAME COLUMN hash TO h')],
  [
    'replaced by an older copy',
    '1',
    (file) => {
      removeAll(file);
      copyFileSync(`${file}.copy`, file);
    },
  ],
  ['overwritten with an older copy', '1', (file) => copyFileSync(`${file}.copy`, file)],
  [
    'replaced by a copy of itself',
    '123',
    (file) => {
      copyFileSync(file, `${file}.same`);
      renameSync(`${file}.same`, file);
    },
  ],
  ['turned into something else', '', (file) => copyFileSync(process.execPath, file)],
];

describe.each(MEDDLING)('a ledger that was %s', (_, known, meddle) => {
  it('while the server was down: nobody is inspected until it is accepted, over restarts', async () => {
    const before = await withCopy();
    await before.stop();
    meddle(before.file);
    for (let restarts = 0; restarts < 2; restarts++) {
      const process = await start(before.data);
      expect(process.state.damage).toBeDefined();
      expect(process.said('THE CONSENT LEDGER IS DAMAGED')).toBe(true);
      expect(process.said('put no older copy in its place')).toBe(true);
      expect(process.inspected('9')).toBe('left alone');
      // Withdrawals are taken meanwhile, and a consent does not act.
      expect((await process.optOut(`while-damaged-${restarts}`)).durable).toBe(true);
      await process.optIn('9');
      expect(process.inspected('9')).toBe('left alone');
      await process.state.putInForce({
        ...TERMS,
        leaseMs: 2000,
        leaseAfterRestartMs: 0,
        provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
      });
      expect(process.inspected('9')).toBe('left alone');
      await process.stop();
    }
    const { state, inspected, stop } = await start(before.data);
    await expect(state.consent.acceptDamage({ ...OFFICER, reason: ' ' })).rejects.toThrow(/needs a reason/);
    await state.consent.acceptDamage(OFFICER);
    await expect(state.consent.acceptDamage(OFFICER)).rejects.toThrow(/not damaged/);
    const who = ['1', '2', '3'].filter((subscriber) => inspected(subscriber) === 'left alone').join('');
    expect(who).toBe(known);
    expect(inspected('while-damaged-0')).toBe('left alone');
    expect(inspected('8')).toBe('inspected');
    await stop();
    const after = await start(before.data);
    expect([after.state.damage, await after.state.ledger.verify()]).toEqual([undefined, undefined]);
    expect(after.inspected('while-damaged-1')).toBe('left alone');
    expect(
      (await entriesOf(after.state.ledger, { subscriber: '' })).map(({ action, reason }) => [action, reason]),
    ).toEqual([['damage-accepted', 'ticket 4711']]);
  });

  it('while the server runs: nobody is inspected, and no withdrawal is lost', async () => {
    const running = await withCopy();
    expect(running.inspected('8')).toBe('inspected');
    meddle(running.file);
    await running.state.consent.look();
    expect(running.state.damage).toBeDefined();
    expect(running.inspected('8')).toBe('left alone');
    expect((await running.optOut('4')).durable).toBe(true);
    await running.state.consent.acceptDamage(OFFICER);
    for (const subscriber of ['1', '2', '3', '4']) expect(running.inspected(subscriber)).toBe('left alone');
    expect(running.inspected('8')).toBe('inspected');
    await running.stop();
    const after = await start(running.data);
    expect(after.state.damage).toBeUndefined();
    for (const subscriber of ['1', '2', '3', '4']) expect(after.inspected(subscriber)).toBe('left alone');
    expect(after.inspected('8')).toBe('inspected');
  });

  it('just before a change: it is not acknowledged as durable, or is so in a file at its place', async () => {
    const running = await withCopy();
    meddle(running.file);
    await running.optOut('5');
    expect(running.state.damage).toBeDefined();
    expect(await running.state.consent.owed.settle()).toBe(true);
    const again = new Database(running.file);
    expect(again.prepare("SELECT action FROM entry WHERE subscriber = '5'").get()).toMatchObject({ action: 'opt-out' });
    again.close();
  });
});

describe('what is no damage', () => {
  it('is a first start, with nothing there', async () => {
    const { state, inspected } = await start();
    expect(state.damage).toBeUndefined();
    expect(inspected('1')).toBe('inspected');
  });

  /** As a kill between the ledger and its anchor leaves it: opt-out of 2 in the ledger, and noted nowhere else. */
  async function withTail(): Promise<string> {
    const { data, file, optOut, stop } = await start();
    await optOut('1');
    await stop();
    const ledger = new SqliteLedger(file, () => 0);
    await ledger.append([{ ...ACTOR, subscriber: '2', purpose: 'c2', action: 'opt-out', terms: 't' }]);
    await ledger.close();
    return data;
  }
  const recovered = async (audit: AuditLog) =>
    (await audit.details('consent.recovered', '2000', '2100')).map(({ detail }) => detail);
  const TAIL = { from: 2, to: 2, optOuts: 1, optIns: 0 };

  it('is a kill between the ledger and its anchor: the ledger is ahead', async () => {
    const data = await withTail();
    const { state, audit, inspected, stop } = await start(data);
    expect([state.damage, inspected('2')]).toEqual([undefined, 'left alone']);
    // Whether the audit log had its entry on the disk by then is not known: it gets one.
    expect(await recovered(audit)).toEqual([TAIL]);
    await stop();
    expect(await recovered((await start(data)).audit)).toEqual([TAIL]);
  });

  it('is such a ledger while the audit log cannot be written: nobody is inspected until that can be told', async () => {
    const data = await withTail();
    // A folder in the place of its anchor: root may write to whatever else there is.
    const anchor = join(data, ANCHORS_FOLDER, 'audit');
    renameSync(anchor, `${anchor}.aside`);
    mkdirSync(anchor);
    const { state, audit, inspected } = await start(data);
    expect([state.damage, inspected('9')]).toEqual([expect.stringContaining('cannot be noted'), 'left alone']);
    rmSync(anchor, { recursive: true });
    renameSync(`${anchor}.aside`, anchor);
    await state.consent.look();
    expect([state.damage, inspected('9'), inspected('2')]).toEqual([undefined, 'inspected', 'left alone']);
    expect((await recovered(audit)).at(-1)).toEqual(TAIL);
  });

  it('is a folder that was renamed', async () => {
    const { data, optOut, stop } = await start();
    await optOut('1');
    await stop();
    renameSync(data, `${data}-2`);
    expect((await start(`${data}-2`)).state.damage).toBeUndefined();
    mkdirSync(data);
  });
});

describe('anchors', () => {
  it('that are removed, or replaced together with the ledger, are missed: the audit log has one too', async () => {
    const { data, file, stop } = await withCopy();
    await stop();
    rmSync(join(data, ANCHORS_FOLDER, 'consent'));
    expect((await start(data)).state.damage).toMatch(/is missing, although 1 other/);
    await closers.pop()?.();
    const older = await withCopy();
    await older.stop();
    copyFileSync(`${older.file}.copy`, older.file);
    rmSync(join(older.data, ANCHORS_FOLDER), { recursive: true });
    expect((await start(older.data)).state.damage).toMatch(/older than it was/);
    expect(existsSync(file)).toBe(true);
  });

  it('of a ledger with entries are nowhere: nothing shows that these are all', async () => {
    const { data, stop } = await withCopy();
    await stop();
    rmSync(join(data, ANCHORS_FOLDER), { recursive: true });
    rmSync(join(data, 'audit.db'));
    expect((await start(data)).state.damage).toMatch(/no anchor/);
  });

  it('outside the data folder show a whole folder that came back older', async () => {
    const outside = temporaryFolder('anchors');
    const first = await start(undefined, outside);
    await first.optOut('1');
    await first.stop();
    const files = [
      first.file,
      join(first.data, 'audit.db'),
      ...readdirSync(join(first.data, ANCHORS_FOLDER)).map((name) => join(first.data, ANCHORS_FOLDER, name)),
    ];
    const copies = files.map((file) => readFileSync(file));
    const second = await start(first.data, outside);
    await second.optOut('2');
    await second.stop();
    // In place, so that no file is another one than it was.
    files.forEach((file, i) => {
      writeInPlace(file, copies[i]!);
    });
    const { state } = await start(first.data, outside);
    expect(state.damage).toMatch(/older than it was/);
  });

  it('show the ledger of another installation, however long it is', async () => {
    const one = await start();
    await one.optOut('1');
    await one.stop();
    const other = await start();
    for (const subscriber of ['5', '6', '7']) await other.optOut(subscriber);
    await other.stop();
    writeInPlace(one.file, readFileSync(other.file));
    expect((await start(one.data)).state.damage).toMatch(/another chain/);
  });
});

describe('a withdrawal that cannot be written', () => {
  const full = () => {
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  };

  it('acts at once and over reloads, says that it is not durable, and is written as soon as that is possible', async () => {
    const { state, optOut, optIn, inspected, said } = await start();
    expect(inspected('1')).toBe('inspected');
    const works = state.ledger.append;
    state.ledger.append = full;
    const { durable, purposes } = await optOut('1');
    expect([durable, purposes[0]?.state, inspected('1')]).toEqual([false, 'opted-out', 'left alone']);
    expect(said('CANNOT BE WRITTEN')).toBe(true);
    await state.putInForce({
      ...TERMS,
      terms: { version: 'u', covers: ['c2'] },
      leaseAfterRestartMs: 0,
      provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
    });
    expect(inspected('1')).toBe('left alone');
    await expect(optIn('1')).rejects.toThrow(/not on the disk/);
    await expect(optIn('2')).rejects.toThrow(/full/);
    expect(state.register.stateOf('2', 'c2')).toBe('contract');
    await expect(state.consent.owed.settle()).resolves.toBe(false);
    state.ledger.append = works;
    await expect(state.consent.owed.settle()).resolves.toBe(true);
    expect((await entriesOf(state.ledger, { subscriber: '1' })).map(({ action }) => action)).toEqual(['opt-out']);
    expect((await optIn('1')).durable).toBe(true);
    expect(inspected('1')).toBe('inspected');
  });

  it('and that the process takes with it leaves nobody inspected', async () => {
    const { state, optOut, data, stop } = await start();
    state.ledger.append = full;
    await optOut('1');
    await stop();
    const again = await start(data);
    expect(again.state.damage).toMatch(/1 withdrawal\(s\) of consent acted but could not be written/);
    expect(again.inspected('1')).toBe('left alone');
  });

  it('is heard of an import too', async () => {
    const { state, desk, inspected } = await start();
    const works = state.ledger.append;
    state.ledger.append = full;
    const rows = [
      ['1', 'c2', 'opt-out'],
      ['2', 'c2', 'opt-in'],
    ] as [string, string, string][];
    await expect(desk.import('crm', 0, rows, ACTOR)).rejects.toThrow(/full/);
    expect([inspected('1'), inspected('2')]).toEqual(['left alone', 'inspected']);
    state.ledger.append = works;
    expect((await desk.import('crm', 0, rows, ACTOR)).rows).toBe(2);
    expect(inspected('1')).toBe('left alone');
  });
});

it('an anchor that cannot be written: nobody is inspected until it can', async () => {
  const { state, data, optIn, inspected, said } = await start();
  expect(inspected('1')).toBe('inspected');
  const anchors = join(data, ANCHORS_FOLDER);
  // A folder in the file's place: root may write to whatever else there is.
  rmSync(join(anchors, 'consent'));
  mkdirSync(join(anchors, 'consent'));
  await expect(optIn('2')).rejects.toThrow(/its anchor cannot be written/);
  expect([inspected('1'), inspected('2')]).toEqual(['left alone', 'left alone']);
  expect(said('nobody is inspected until it can')).toBe(true);
  await state.consent.look();
  expect(inspected('1')).toBe('left alone');
  rmSync(join(anchors, 'consent'), { recursive: true });
  await state.consent.look();
  expect([inspected('1'), inspected('2'), state.damage]).toEqual(['inspected', 'inspected', undefined]);
});

function writeInPlace(file: string, bytes: Buffer): void {
  writeFileSync(file, bytes);
}
