import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { textToName } from '../wire/name.ts';
import { Question } from '../wire/question.ts';
import { CompileTask } from './compile-task.ts';
import type { CompiledLists } from './in-force.ts';
import { LoadedLists } from './in-force.ts';
import type { ListConfig } from './list-config.ts';
import { listConfig, listSchema } from './section/lists-section.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-compile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const popular = join(folder, 'popular.txt');
writeFileSync(popular, 'popular.example\n');
const newTask = () => new CompileTask({ key: [1, 2, 3, 4], popularNamesFile: popular });

function list(format: string, more: Record<string, unknown> = {}): ListConfig {
  return listConfig(
    listSchema.parse({ name: 'a', category: 'c2', tier: 'confirmed', format, file: 'x', ...more }),
    '/',
  );
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function holders(compiled: CompiledLists, name: string): number {
  const question = new Question();
  const wire = textToName(name);
  question.name.set(wire);
  question.nameLength = wire.length;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return new LoadedLists(compiled).names.lookup(question, -1);
}

describe('compiling', () => {
  it('reads what changed and keeps the rest', () => {
    const task = newTask();
    const first = task.compile({
      version: 1,
      keep: 0,
      spare: {},
      background: false,
      read: [
        { index: 0, list: list('domains'), path: file('one', 'one.example\nboth.example\n') },
        { index: 1, list: list('hosts'), path: file('two', '0.0.0.0 two.example both.example\n') },
      ],
    });
    expect(first.read.map(({ scan }) => scan.names)).toEqual([2, 2]);
    const second = task.compile({
      version: 2,
      previous: first.compiled,
      keep: 1 << 1,
      spare: {},
      background: false,
      read: [{ index: 0, list: list('domains'), path: file('one', 'other.example\n') }],
    });
    const names = ['one.example', 'two.example', 'both.example', 'other.example'];
    expect(names.map((name) => holders(first.compiled, name))).toEqual([1, 2, 3, 0]);
    expect(names.map((name) => holders(second.compiled, name))).toEqual([0, 2, 2, 1]);
    expect(second.compiled.version).toBe(2);
  });

  it('builds in a spare buffer that is large enough', () => {
    const read = [{ index: 0, list: list('domains'), path: file('one', 'one.example\n') }];
    const first = newTask().compile({ version: 1, keep: 0, read, spare: {}, background: false }).compiled;
    const spare = { names: first.names.buffer };
    expect(newTask().compile({ version: 2, keep: 0, read, spare, background: false }).compiled.names.buffer).toBe(
      spare.names,
    );
    const small = { names: new SharedArrayBuffer(64) };
    expect(
      newTask().compile({ version: 3, keep: 0, read, spare: small, background: false }).compiled.names.buffer,
    ).not.toBe(small.names);
  });

  it('tells the guard of popular names, and what the zone says of itself', () => {
    const zone = '$ORIGIN rpz.example.\n@ 60 SOA ns hm 7 3600 600 86400 30\npopular.example CNAME .\n';
    const { read, compiled } = newTask().compile({
      version: 1,
      keep: 0,
      spare: {},
      background: false,
      read: [{ index: 2, list: list('rpz', { category: 'policy', ground: undefined }), path: file('zone', zone) }],
    });
    expect(read[0]?.scan.popular.count).toBe(1);
    expect(compiled.zones.length).toBe(3);
    expect(compiled.zones[2]).toMatchObject({ name: textToName('rpz.example'), soaTtl: 60, minimumSeconds: 30 });
    expect(compiled.zones[2]?.soa?.length).toBeGreaterThan(20);
  });

  it('fails for a file that cannot be read', () => {
    const read = [{ index: 0, list: list('domains'), path: join(folder, 'absent') }];
    expect(() => newTask().compile({ version: 1, keep: 0, read, spare: {}, background: false })).toThrow(/ENOENT/);
  });
});

describe('locating', () => {
  const text = [
    '; a zone',
    '$ORIGIN rpz.example.',
    '@ SOA ns hm 1 3600 600 86400 30',
    'bad.example CNAME .',
    '*.bad.example CNAME .',
    'bad.example TXT "why"',
    '24.0.2.0.192.rpz-ip CNAME *.',
    'ns.bad.example.rpz-nsdname CNAME .\r',
    'last.example CNAME .',
  ].join('\n');

  it('tells the lines of each kind of rule', () => {
    const path = file('located', text);
    const found = newTask().locate({ index: 0, list: list('rpz'), path }, [
      { trigger: 'qname', rule: 'bad.example' },
      { trigger: 'qname', rule: '*.bad.example' },
      { trigger: 'ip', rule: '192.0.2.0/24' },
      { trigger: 'nsip', rule: '192.0.2.0/24' },
      { trigger: 'nsdname', rule: 'ns.bad.example' },
      { trigger: 'qname', rule: 'last.example' },
      { trigger: 'qname', rule: 'absent.example' },
    ]);
    expect(found.map(({ trigger, rule, line, text }) => [trigger, rule, line, text])).toEqual([
      ['qname', 'bad.example', 4, 'bad.example CNAME .'],
      ['qname', '*.bad.example', 5, '*.bad.example CNAME .'],
      ['qname', 'bad.example', 6, 'bad.example TXT \\x22why\\x22'],
      ['ip', '192.0.2.0/24', 7, '24.0.2.0.192.rpz-ip CNAME *.'],
      ['nsdname', 'ns.bad.example', 8, 'ns.bad.example.rpz-nsdname CNAME .'],
      ['qname', 'last.example', 9, 'last.example CNAME .'],
    ]);
  });

  it('finds a name below `.name` and the name itself in one line', () => {
    const path = file('dots', `${'x.example\n'.repeat(200_000)}.both.example\n`);
    const input = { index: 0, list: list('domains'), path };
    const find = (rule: string) =>
      newTask()
        .locate(input, [{ trigger: 'qname', rule }])
        .map(({ line }) => line);
    expect(find('both.example')).toEqual([200_001]);
    expect(find('*.both.example')).toEqual([200_001]);
    // Of many lines, the first few.
    expect(find('x.example')).toEqual([1, 2, 3]);
  });
});
