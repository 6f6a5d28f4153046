import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';
import { DEFAULT_COLUMNS } from './columns.ts';
import { columnsSchema } from './columns-schema.ts';

const columns = (value: object = {}) => ({ columns: columnsSchema.parse(value) });
const SCORED = columns({ name: 'domain', score: 'confidence', category: 'type', 'min-score': 80, categories: ['C2'] });

it('the default columns are those of the configuration', () => {
  expect(DEFAULT_COLUMNS).toEqual(columnsSchema.parse({}));
});

describe('csv', () => {
  it('finds the columns by the header row, in any order and case', () => {
    const { rules, bad } = collectEntries(
      'csv',
      'id,NAME,why\n1,a.example,x\n2,"b.example","x, ""y"""\n3, c.example ,\n',
      columns(),
    );
    expect(rules).toEqual(['2 =a.example listed', '3 =b.example listed', '4 =c.example listed']);
    expect(bad).toEqual([]);
  });

  it('leaves out rows below the threshold or of other categories', () => {
    const text = [
      '# a comment',
      'domain,confidence,type',
      'a.example,80,c2',
      'b.example,79.9,c2',
      'c.example,1e2,c2',
      'd.example,90,phishing',
      'e.example,,c2',
      'f.example,high,c2',
      'g.example,95%," C2 "',
      'h.example',
    ].join('\n');
    const { names, filtered, bad } = collectEntries('csv', text, SCORED);
    expect(names).toEqual(['a.example', 'c.example', 'g.example']);
    expect(filtered).toBe(3);
    expect(bad).toEqual(['7:1 bad-score', '8:1 bad-score']);
  });

  it('takes columns by number where there is no header, and other separators', () => {
    const options = columns({ name: '2', header: false, separator: ';' });
    const { rules, bad } = collectEntries('csv', '1;a.example;x\nalone\n', options);
    expect(rules).toEqual(['1 =a.example listed']);
    expect(bad).toEqual(['2:1 missing-column']);
  });

  it('reads quoted fields over several lines, so that no line inside a field becomes a rule', () => {
    const text = 'name,note\na.example,"first\nevil.example,second\nthird"\nb.example,x\n';
    expect(collectEntries('csv', text, columns()).rules).toEqual(['2 =a.example listed', '5 =b.example listed']);
  });

  it('rejects quotes that do not match', () => {
    expect(collectEntries('csv', 'name\n"a.example"x\nb.example\n', columns()).bad).toEqual(['2:1 bad-quoting']);
    expect(collectEntries('csv', 'name\nb.example\n"open', columns()).bad).toEqual(['3:1 bad-quoting']);
  });

  it('does not hold more of an open quote than its bound', () => {
    const text = `name\n"open\n${'x.example\n'.repeat(20_000)}`;
    const { reasons } = collectEntries('csv', text, columns());
    expect(reasons['line-too-long']).toBe(1);
  });

  it('refuses a file whose header has not the columns', () => {
    const { refusal, entries } = collectEntries('csv', 'a,b\nx.example,1\n', SCORED);
    expect(refusal).toEqual({
      reason: 'no-header',
      message: "the header row has no column 'domain', 'confidence', 'type'; the columns there are: 'a', 'b'",
      line: 1,
    });
    expect(entries).toBe(0);
  });

  it('rejects names that hold quotes, formulas or markup', () => {
    const { bad } = collectEntries('csv', 'name\n"a""b.example"\n=cmd.example\n<i>.example\n', columns());
    expect(bad.map((text) => text.split(' ')[1])).toEqual(['bad-character', 'bad-character', 'bad-character']);
  });
});

describe('jsonl', () => {
  it('takes the columns as keys', () => {
    const text = [
      '{"domain":"A.example","confidence":99,"type":"c2"}',
      '',
      '{"type":"C2","confidence":"80","domain":"\\u65e5\\u672c.example"}',
      '{"domain":"b.example","confidence":10,"type":"c2"}',
    ].join('\r\n');
    const { names, filtered, bad } = collectEntries('jsonl', text, SCORED);
    expect(names).toEqual(['a.example', 'xn--wgv71a.example']);
    expect(filtered).toBe(1);
    expect(bad).toEqual([]);
  });

  it.each([
    ['{"name":"a.example"', 'bad-json'],
    ['["a.example"]', 'bad-json'],
    ['"a.example"', 'bad-json'],
    ['null', 'bad-json'],
    ['{"names":"a.example"}', 'missing-column'],
    ['{"name":["a.example"]}', 'missing-column'],
    ['{"name":null}', 'missing-column'],
    ['{"name":"192.0.2.1"}', 'address'],
    ['{"name":""}', 'empty-name'],
    ['{"name":"a.example\\nb.example"}', 'bad-character'],
    ['{"name":"a.example\\u0000"}', 'bad-character'],
  ])('rejects %s as %s', (line, reason) => {
    const { bad, rules } = collectEntries('jsonl', `${line}\n{"name":"next.example"}\n`, columns());
    expect(bad.map((text) => text.split(' ')[1])).toEqual([reason]);
    expect(rules).toEqual(['2 =next.example listed']);
  });

  it('does not take what an object inherits for a column', () => {
    expect(collectEntries('jsonl', '{"a":1}\n', columns({ name: 'constructor' })).bad).toEqual(['1:1 missing-column']);
  });
});

describe('columns', () => {
  it('asks for the column that a threshold or a category needs', () => {
    const problems = columnsSchema.safeParse({ 'min-score': 1, categories: ['x'], name: 'a', header: false });
    expect(problems.error?.issues.map(({ path }) => path.join('.')).sort()).toEqual(['category', 'name', 'score']);
  });
});
