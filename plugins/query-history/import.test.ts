/** Past figures from elsewhere: what is normal at once, told of wherever it is used, and never mixed with what was measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Args, Terminal } from '../../src/contract/commands.ts';
import { Replay } from '../../test/scenarios/replay.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { forgetImport, importHistory, showImports } from './cli/import.ts';
import { type ImportedHour, importedHourSchema } from './imported.ts';
import { SPAN_MS } from './spans.ts';

const HOUR = SPAN_MS.hour;
const BY = { id: 'i00000001', who: 'sato', source: 'statistics of the old resolver' };
const REASON = { reason: 'load tripled, ticket 4711' };
const READER = { who: 'sato', role: 'operator' };

/** The hours around this one in four weeks, at so many queries a second. */
function weeks(nowMs: number, perSecond: number, more: Partial<ImportedHour> = {}): ImportedHour[] {
  const hour = Math.floor(nowMs / HOUR) * HOUR;
  return [1, 2, 3, 4].flatMap((week) =>
    [-1, 0, 1].map((near) =>
      importedHourSchema.parse({
        hour: new Date(hour - (week * 168 + near) * HOUR).toISOString(),
        queries: (perSecond + near) * 3600,
        ...more,
      }),
    ),
  );
}

describe('a new server with imported weeks', () => {
  const replay = new Replay(71, { young: true, peak: 30 });
  const begun = replay.desk.putImported(BY, weeks(replay.clock.wallMs(), 28), false);
  const flood = (perSecond: number) =>
    replay.incident(30, function* () {
      yield* replay.world.second(28);
      const { random } = replay.world;
      for (let i = 0; i < perSecond; i++)
        yield { ...replay.world.ordinary(), name: `${random.letters(12)}.victim.example`, cacheResult: 2, rcode: 3 };
    });

  test('knows what is normal, and says that it was imported', async () => {
    expect(await begun).toEqual({ accepted: 12, measured: 0, replaced: 0, tooOld: 0, future: 0 });
    await replay.incident(40, () => replay.world.second(28));
    await flood(150);
    const report = await replay.reading.diagnose(READER, REASON);
    expect(report.baseline).toEqual({ basis: 'hour of the week', samples: 12, imported: 12 });
    expect(report.rate.normal).toBeCloseTo(28, 0);
    expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain' });
    expect(report.doubts).toContain('12 of the 12 hours that the normal is made of were imported, not measured here');
    // Of names nothing was imported: what was asked just before is the usual, and no popular zone is accused.
    expect(report.explains.domain.map(({ key }) => key)).toEqual(['victim.example']);
  });

  test('shows none of it as measured', async () => {
    const past = replay.clock.wallMs() - 5 * 168 * HOUR;
    expect(await replay.desk.kept('hour', past, replay.clock.wallMs() - HOUR)).toEqual([]);
    expect(await replay.desk.imports()).toEqual([expect.objectContaining({ ...BY, hours: 12 })]);
  });

  test('takes it back whole', async () => {
    expect(await replay.desk.forgetImport(BY.id)).toBe(12);
    expect((await replay.desk.baseline()).imported).toBe(0);
    expect(await replay.desk.imports()).toEqual([]);
  });
});

test('measured hours are not touched; what is not over, too old or brought again is told; a dry run changes nothing', async () => {
  const replay = new Replay(72, { peak: 30, worldSeed: 40 });
  const nowMs = replay.clock.wallMs();
  const before = await replay.desk.baseline();
  const at = (hoursAgo: number): ImportedHour =>
    importedHourSchema.parse({
      hour: new Date(Math.floor(nowMs / HOUR - hoursAgo) * HOUR).toISOString(),
      queries: 9e9,
    });
  const given = [at(0), at(1), at(30), at(31), at(36 * 24)];
  const tried = await replay.desk.putImported(BY, given, true);
  expect(tried).toEqual({ accepted: 2, measured: 1, replaced: 0, tooOld: 1, future: 1 });
  expect(await replay.desk.imports()).toEqual([]);
  await replay.desk.putImported(BY, given, false);
  expect(await replay.desk.putImported({ ...BY, id: 'i00000002' }, [at(30)], false)).toMatchObject({ replaced: 1 });
  expect(await replay.desk.baseline()).toEqual(before);
  // It goes with the retention, as everything does.
  replay.archive.expire(nowMs + 40 * 24 * HOUR, { minutes: HOUR, hours: 24 * HOUR, sources: HOUR });
  expect(await replay.desk.imports()).toEqual([]);
});

describe('the command', () => {
  const folder = temporaryFolder('import');
  const run = async (lines: readonly string[], flags: readonly string[] = []) => {
    const file = join(folder, 'past.jsonl');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const sent: { 'dry-run': boolean; hours: unknown[]; import?: string }[] = [];
    let said = '';
    const server = {
      send: async (_method: string, _path: string, body: (typeof sent)[number]) => {
        sent.push(body);
        const { length } = body.hours;
        return { id: 'i0000000a', accepted: length, measured: 0, replaced: 0, tooOld: 0, future: 0 };
      },
    };
    const args = {
      positionals: [file],
      options: { source: 'old resolver' },
      flags: new Set(flags),
      json: false,
      server,
    };
    const out = (text: string) => {
      said += text;
    };
    const terminal = { out };
    const code = await importHistory(args as unknown as Args, terminal as unknown as Terminal);
    return { code, sent, said };
  };
  const line = (hour: number) => JSON.stringify({ hour: new Date(hour * HOUR).toISOString(), queries: 1000 });

  test('tries all of it first, then sends it in pieces of one import', async () => {
    const { code, sent, said } = await run(Array.from({ length: 100 }, (_, i) => line(488_888 + i)));
    expect([code, sent.map((body) => [body['dry-run'], body.hours.length, body.import])]).toEqual([
      0,
      [
        ...[
          [true, 48, undefined],
          [true, 48, 'i0000000a'],
          [true, 4, 'i0000000a'],
        ],
        ...[
          [false, 48, undefined],
          [false, 48, 'i0000000a'],
          [false, 4, 'i0000000a'],
        ],
      ],
    ]);
    expect(said).toMatch(/100 accepted[\s\S]*sekisho history forget i0000000a/);
  });

  test('only tries with --dry-run', async () => {
    const { sent, said } = await run([line(488_888)], ['dry-run']);
    expect(sent.map((body) => body['dry-run'])).toEqual([true]);
    expect(said).toMatch(/Nothing was changed/);
  });

  test('takes the line that README.md shows; `imports` and `forget` say what is there and what went', async () => {
    const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
    const [, shown = ''] = /```json\n([\s\S]*?)```/.exec(readme) ?? [];
    expect(JSON.parse(shown)).toMatchObject({ queries: 1234567 });
    expect((await run([shown.trim()])).said).toMatch(/1 accepted/);
    let said = '';
    const out = (text: string) => {
      said += text;
    };
    const record = { id: 'i3f09a12b', at: 'today', who: 'sato', source: 'old resolver', hours: 12, from: '', to: '' };
    const server = { get: async () => ({ imports: [record] }), send: async () => ({ hours: 12 }) };
    const args = { positionals: ['i3f09a12b'], options: {}, flags: new Set(), json: false, server } as unknown as Args;
    await showImports(args, { out, columns: 100 } as unknown as Terminal);
    await forgetImport(args, { out } as unknown as Terminal);
    expect(said).toMatch(/i3f09a12b[\s\S]*old resolver[\s\S]*12 imported hours were taken back/);
  });

  test('names each wrong line, and sends nothing', async () => {
    const wrong = [
      line(488_888),
      'queries: 7',
      '{"hour": "2026-11-20T18:30:00Z", "queries": 5}',
      '{"hour": "2026-11-20T18:00:00Z", "queries": 5, "clients": {"192.0.2.1": 5}}',
      '# a remark',
      line(488_888),
    ];
    const error = (await run(wrong).catch((thrown: unknown) => thrown)) as { code: string; details: string[] };
    expect(error.code).toBe('SEKISHO_HISTORY_IMPORT_INVALID');
    expect(error.details.map((text) => text.replace(/^.*past\.jsonl/, ''))).toEqual([
      expect.stringMatching(/^:2: is no JSON object/),
      expect.stringMatching(/^:3: hour: begins at a full hour/),
      expect.stringMatching(/^:4: .*clients/),
      expect.stringMatching(/^:6: hour: .* stands in line 1 already/),
    ]);
  });
});
