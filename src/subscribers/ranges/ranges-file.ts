/**
 * Loads the file of static ranges into a table of its own, which then is put into force as a whole.
 *
 * Networks may lie inside one another: the longer prefix counts, as in routing. What two rows claim for different
 * subscribers (the same network, or ports that overlap) belongs to neither: guessing might inspect the one who opted out.
 */
import { createReadStream } from 'node:fs';
import type { Prefix } from '../../address/address.ts';
import { AddressTable } from '../table/address-table.ts';
import { portBlocks } from '../table/ports.ts';
import { NEVER, NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import { parseRangeRow, type RangeRow, type RowFault, type RowProblem } from './range-row.ts';

/** Longest row that is looked at; no address and number together come near. */
const MAX_LINE = 256;
/** Problems kept with their line; the others are counted. */
export const KEPT_PROBLEMS = 100;
const CHUNK_BYTES = 1 << 16;
const FAULT: RowFault = { problem: 'not of the form address,subscriber' };

export interface RowFinding {
  /** From 1. */
  readonly line: number;
  readonly problem: RowProblem;
}

export interface LoadedRanges {
  readonly table: AddressTable;
  /** Rows in force. */
  readonly rows: number;
  readonly rejected: number;
  /** The first of them, in the order of the file. */
  readonly findings: readonly RowFinding[];
}

interface PortRow {
  readonly row: RangeRow;
  readonly holder: number;
  readonly line: number;
}

/**
 * `holderFor`: the holder of a subscriber number or contract group, or what is wrong with it. Rejects where the file cannot
 * be read; rows that are wrong are left out and told.
 */
export async function loadRanges(
  file: string,
  holderFor: (subscriber: string) => number | RowProblem,
): Promise<LoadedRanges> {
  const loader = new Loader(holderFor);
  let rest = '';
  let line = 0;
  // Chunk by chunk: between two of them the control plane gets its turn.
  for await (const chunk of createReadStream(file, { encoding: 'latin1', highWaterMark: CHUNK_BYTES })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) rest = rest.slice(0, MAX_LINE + 1);
    for (const text of lines) loader.take(text, ++line);
  }
  if (rest !== '') loader.take(rest, ++line);
  return loader.finish();
}

class Loader {
  readonly #table = new AddressTable();
  readonly #holderFor: (subscriber: string) => number | RowProblem;
  readonly #ported: PortRow[] = [];
  /** What rows that are wrong speak of. */
  readonly #doubtful: Prefix[] = [];
  /** Lines of networks by their text, where a second row may contest them. */
  readonly #contested = new Set<string>();
  readonly #findings: RowFinding[] = [];
  #rejected = 0;
  #rows = 0;

  constructor(holderFor: (subscriber: string) => number | RowProblem) {
    this.#holderFor = holderFor;
  }

  take(text: string, line: number): void {
    const row = text.endsWith('\r') ? text.slice(0, -1) : text;
    if (row === '' || row.startsWith('#') || (line === 1 && /^(address|prefix|network)\b/i.test(row))) return;
    const parsed = row.length > MAX_LINE ? FAULT : parseRangeRow(row);
    if ('problem' in parsed) {
      this.#reject(line, parsed.problem, parsed.prefix);
      return;
    }
    const holder = this.#holderFor(parsed.subscriber);
    if (typeof holder === 'string') this.#reject(line, holder, parsed);
    else if (parsed.ports) this.#ported.push({ row: parsed, holder, line });
    else this.#takeNetwork(parsed, holder, line);
  }

  finish(): LoadedRanges {
    this.#takePorts();
    // Its row is wrong, but whose it is not is certain: it must not fall to a larger range, of a whole group, around it.
    for (const { words, bits } of this.#doubtful) this.#put({ words, bits, port: 0, portBits: 0 }, NOBODY);
    this.#findings.sort((one, other) => one.line - other.line);
    return {
      table: this.#table,
      rows: this.#rows,
      rejected: this.#rejected,
      findings: this.#findings.slice(0, KEPT_PROBLEMS),
    };
  }

  #takeNetwork(row: RangeRow, holder: number, line: number): void {
    const prefix = { words: row.words, bits: row.bits, port: 0, portBits: 0 };
    const before = this.#table.holderOf(prefix);
    if (before === holder) return;
    if (before === UNKNOWN) {
      this.#put(prefix, holder);
      this.#rows++;
      return;
    }
    this.#reject(line, 'claimed for somebody else by another row');
    // The first row that claimed it is given up too, once.
    const key = `${row.words.join()}/${row.bits}`;
    if (this.#contested.has(key)) return;
    this.#contested.add(key);
    this.#put(prefix, NOBODY);
    this.#rows--;
    this.#rejected++;
  }

  /** Rows of one address whose ports touch each other belong together: where they are not all the same subscriber's, none counts. */
  #takePorts(): void {
    this.#ported.sort((one, other) => compareRows(one.row, other.row));
    for (let from = 0; from < this.#ported.length; ) {
      let to = from + 1;
      let last = this.#ported[from]!.row.ports!.last;
      while (to < this.#ported.length && sameAddress(this.#ported[from]!.row, this.#ported[to]!.row)) {
        const { ports } = this.#ported[to]!.row;
        if (ports!.first > last) break;
        last = Math.max(last, ports!.last);
        to++;
      }
      const together = this.#ported.slice(from, to);
      const agreed = together.every(({ holder }) => holder === together[0]!.holder);
      for (const { row, holder, line } of together) {
        for (const { port, bits } of portBlocks(row.ports!.first, row.ports!.last))
          this.#put({ words: row.words, bits: row.bits, port, portBits: bits }, agreed ? holder : NOBODY);
        if (agreed) this.#rows++;
        else this.#reject(line, 'claimed for somebody else by another row');
      }
      from = to;
    }
  }

  #put(prefix: Parameters<AddressTable['set']>[0], holder: number): void {
    this.#table.set(prefix, holder, NEVER);
  }

  #reject(line: number, problem: RowProblem, prefix?: Prefix): void {
    this.#rejected++;
    if (prefix) this.#doubtful.push(prefix);
    if (this.#findings.length < KEPT_PROBLEMS) this.#findings.push({ line, problem });
  }
}

function compareRows(one: RangeRow, other: RangeRow): number {
  for (let i = 0; i < 4; i++) if (one.words[i] !== other.words[i]) return one.words[i]! - other.words[i]!;
  return one.ports!.first - other.ports!.first;
}

function sameAddress(one: RangeRow, other: RangeRow): boolean {
  return one.words.every((word, i) => word === other.words[i]);
}
