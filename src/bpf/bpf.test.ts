import { describe, expect, it } from 'vitest';
import { nativeUnavailable } from '../system/libc.ts';
import { Assembler, FP, R0, R1, R2, R3 } from './assembler.ts';
import { Bpf, BpfError, MAP_HASH, MAP_LPM_TRIE, MAP_NO_PREALLOC, PROGRAM_XDP } from './bpf.ts';
import { bpfUnavailable } from './capable.ts';

describe('assembler', () => {
  const bytesOf = (program: Assembler) => Buffer.from(program.assemble()).toString('hex');

  it('writes instructions as RFC 9669 lays them out', () => {
    expect(bytesOf(new Assembler().mov(R0, 2).exit())).toBe('b700000002000000' + '9500000000000000');
    expect(bytesOf(new Assembler().mov(R2, FP).add(R2, -24))).toBe('bfa2000000000000' + '07020000e8ffffff');
    expect(bytesOf(new Assembler().load(16, R3, R1, 12).store(32, FP, -4, R3))).toBe(
      '69130c0000000000' + '633afcff00000000',
    );
    expect(bytesOf(new Assembler().map(R1, 7))).toBe('1811000007000000' + '0000000000000000');
  });

  it('measures jumps from the instruction behind them, both ways', () => {
    const program = new Assembler().jumpIf(R1, '>=', R2, 'end').label('back').jump('back').label('end').exit();
    expect(bytesOf(program)).toBe('3d21010000000000' + '0500ffff00000000' + '9500000000000000');
  });

  it('lists a program with its labels', () => {
    const program = new Assembler().jumpIf32(R1, '!=', 7, 'out').mov(R0, R1).label('out').exit();
    expect(program.listing()).toBe('0: if w1 != 7 goto out\n1: r0 mov r1\nout:\n2: exit');
  });

  it('refuses a jump to nowhere, a label that stands twice, and one that is too far away', () => {
    expect(() => new Assembler().jump('nowhere').assemble()).toThrow("no label 'nowhere'");
    expect(() => new Assembler().label('a').label('a')).toThrow('two places');
    const long = new Assembler().jump('end');
    for (let i = 0; i < 0x8000; i++) long.mov(R0, 0);
    expect(() => long.label('end').exit().assemble()).toThrow('too far');
  });
});

const reason = nativeUnavailable() ?? bpfUnavailable();
if (reason !== undefined) console.warn(`bpf(2) is not tested here: ${reason}`);

describe.runIf(reason === undefined)('bpf(2)', () => {
  const bpf = reason === undefined ? new Bpf() : (undefined as never);
  const bytes = (...list: number[]) => Uint8Array.from(list);

  it('keeps entries of a map, and walks through them', () => {
    const map = bpf.createMap({ type: MAP_HASH, keyBytes: 4, valueBytes: 8, entries: 4, name: 'test' });
    try {
      for (const i of [1, 2, 3]) bpf.update(map, bytes(i, 0, 0, 0), bytes(i, 9, 9, 9, 9, 9, 9, i));
      expect(bpf.lookup(map, bytes(2, 0, 0, 0), 8)).toEqual(bytes(2, 9, 9, 9, 9, 9, 9, 2));
      expect(bpf.lookup(map, bytes(7, 0, 0, 0), 8)).toBeUndefined();
      expect(bpf.remove(map, bytes(2, 0, 0, 0))).toBe(true);
      expect(bpf.remove(map, bytes(2, 0, 0, 0))).toBe(false);
      expect(
        bpf
          .keys(map, 4, 10)
          .map((key) => key[0])
          .sort(),
      ).toEqual([1, 3]);
      expect(bpf.keys(map, 4, 1)).toHaveLength(1);
      for (const i of [4, 5]) bpf.update(map, bytes(i, 0, 0, 0), new Uint8Array(8));
      expect(() => bpf.update(map, bytes(6, 0, 0, 0), new Uint8Array(8))).toThrow(/the table is full/);
    } finally {
      bpf.close(map);
    }
  });

  it('finds the longest prefix', () => {
    const spec = { type: MAP_LPM_TRIE, keyBytes: 8, valueBytes: 4, entries: 4, flags: MAP_NO_PREALLOC, name: 'lpm' };
    const map = bpf.createMap(spec);
    try {
      bpf.update(map, bytes(8, 0, 0, 0, 10, 0, 0, 0), bytes(1, 0, 0, 0));
      bpf.update(map, bytes(24, 0, 0, 0, 10, 1, 2, 0), bytes(2, 0, 0, 0));
      const found = (...address: number[]) => bpf.lookup(map, bytes(32, 0, 0, 0, ...address), 4)?.[0];
      expect([found(10, 1, 2, 3), found(10, 9, 9, 9), found(11, 1, 2, 3)]).toEqual([2, 1, undefined]);
    } finally {
      bpf.close(map);
    }
  });

  it('loads what the verifier lets pass, and says in its words why not', () => {
    const fd = bpf.loadProgram(PROGRAM_XDP, new Assembler().mov(R0, 2).exit().assemble(), 'fine');
    expect(bpf.runTime(fd).runs).toBe(0);
    bpf.close(fd);
    const bad = new Assembler().load(64, R0, R1, 1000).exit().assemble();
    expect(() => bpf.loadProgram(PROGRAM_XDP, bad, 'bad')).toThrow(BpfError);
    expect(() => bpf.loadProgram(PROGRAM_XDP, bad, 'bad')).toThrow(/program bad \(.*invalid bpf_context access/);
  });
});
