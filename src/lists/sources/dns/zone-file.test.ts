import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { IncomingFile } from '../incoming-file.ts';
import { ChangesDoNotFit, ZoneChanges } from './zone-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-zone-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const base = join(folder, 'base');
const line = (record: string, ttl = 60): string => record.replace(' ', ` ${ttl} IN `);

async function applied(records: string[], changes: ZoneChanges): Promise<string[]> {
  writeFileSync(base, ['SOA old', ...records].map((each) => `${each}\n`).join(''));
  const out = await IncomingFile.create(folder, 1e9);
  try {
    await changes.apply(base, 'SOA new', out);
    return readFileSync((await out.finish()).path, 'latin1')
      .trimEnd()
      .split('\n');
  } finally {
    await out.discard();
  }
}

describe('changes to a zone on disk', () => {
  it('lead to the same zone as doing them one by one', async () => {
    const record = fc
      .tuple(fc.constantFrom('a.', 'b.', 'c.'), fc.constantFrom('A 1', 'A 2', 'TXT "x y"'))
      .map(([o, d]) => `${o} ${d}`);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(record), fc.array(fc.tuple(record, fc.nat(9))), async (start, toggles) => {
        const model = new Map(start.map((each) => [each, line(each)]));
        const changes = new ZoneChanges(100);
        for (const [each, ttl] of toggles) {
          const present = model.get(each);
          if (present) {
            // The TTL of a removal is of no account.
            changes.remove(line(each, 999));
            model.delete(each);
          } else {
            changes.add(line(each, ttl));
            model.set(each, line(each, ttl));
          }
        }
        const [soa, ...records] = await applied(
          start.map((each) => line(each)),
          changes,
        );
        expect(soa).toBe('SOA new');
        expect(records.sort()).toEqual([...model.values()].sort());
      }),
      { numRuns: 60 },
    );
  });

  it('that do not fit are refused', async () => {
    const removing = new ZoneChanges(9);
    removing.remove(line('a. A 1'));
    await expect(applied([line('a. A 2')], removing)).rejects.toThrow(/remove 1 record\(s\) that are not there/);
    expect(() => removing.remove(line('a. A 1'))).toThrow(ChangesDoNotFit);
    const adding = new ZoneChanges(9);
    adding.add(line('a. A 1'));
    await expect(applied([line('a. A 1', 5)], adding)).rejects.toThrow(/add what is there: a\. IN A 1/);
    expect(() => adding.add(line('a. A 1', 7))).toThrow(ChangesDoNotFit);
    await expect(applied([line('b. A 1')], new ZoneChanges(1))).resolves.toHaveLength(2);
    const growing = new ZoneChanges(1);
    growing.add(line('a. A 1'));
    await expect(applied([line('b. A 1')], growing)).rejects.toThrow(/more records than the limit of 1/);
  });

  it('refuse a zone on disk that is cut short', async () => {
    writeFileSync(base, 'SOA old\na. 60 IN A 1\nb. 60 IN');
    const out = await IncomingFile.create(folder, 1e9);
    await expect(new ZoneChanges(9).apply(base, 'SOA new', out)).rejects.toThrow('cut short');
    await out.discard();
  });
});
