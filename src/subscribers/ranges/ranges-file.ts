/**
 * Loads the file of static ranges into a table of its own, which then is put into force as a whole.
 *
 * Networks may lie inside one another: the longer prefix counts, as in routing. What two rows claim for different
 * subscribers (the same network, or ports that overlap) belongs to neither: guessing might inspect the one who opted out. What
 * a row that cannot be read may speak of (recognisable.ts) belongs to nobody either.
 */

import type { Prefix } from '../../address/address.ts';
import { subscribersError } from '../errors.ts';
import { AddressTable } from '../table/address-table.ts';
import { portBlocks } from '../table/ports.ts';
import { NEVER, NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import { type Columns, columnsOf } from './exported-columns.ts';
import { type ExportedRow, ExportedRows } from './exported-rows.ts';
import { type ExportedLine, exportedLines } from './exported-text.ts';
import { bitsOf } from './prefix-cover.ts';
import {
  plainRangeRow,
  RANGE_COLUMNS,
  type RangeColumn,
  type RangeRow,
  type RowFault,
  type RowProblem,
  readRangeRow,
} from './range-row.ts';
import { recognisable } from './recognisable.ts';

/** Problems kept with their line; the others are counted. */
export const KEPT_PROBLEMS = 100;
const UNREADABLE_BESIDE = 'another row about this address cannot be read';
/** Foreign marks of a comment. Ours, #, is one whatever follows; after these an address makes a row of it. */
const FOREIGN_COMMENT = /^\s*(?:;|\/\/|--|REM\b)/i;

export interface RowFinding {
  /** From 1. */
  readonly line: number;
  readonly problem: RowProblem;
  /** The row cannot be read, and an address in it can: nobody is known behind that one. */
  readonly hides?: true;
}

export interface LoadedRanges {
  readonly table: AddressTable;
  /** Rows in force. */
  readonly rows: number;
  readonly rejected: number;
  /** Of those rejected: that cannot be read, while an address in them can. */
  readonly unreadable: number;
  /** The first of those rejected, in the order of the file. */
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
  for await (const lines of exportedLines(file)) for (const line of lines) loader.take(line);
  return loader.finish();
}

class Loader {
  readonly #table = new AddressTable();
  readonly #holderFor: (subscriber: string) => number | RowProblem;
  readonly #exported = new ExportedRows();
  #columns: Columns<RangeColumn> | undefined;
  /** Names of columns may come until a row was read. */
  #begun = false;
  /** The columns are in the order that rows have without names. */
  #usualOrder = true;
  readonly #ported: PortRow[] = [];
  /** What rows that cannot be read may speak of, so that no other row says more of it. */
  readonly #hidden = new AddressTable();
  readonly #findings: RowFinding[] = [];
  #rejected = 0;
  #unreadable = 0;
  #rows = 0;

  constructor(holderFor: (subscriber: string) => number | RowProblem) {
    this.#holderFor = holderFor;
  }

  take(line: ExportedLine): void {
    const plain = this.#usualOrder && this.#exported.atStart && !line.piece ? plainRangeRow(line.text) : undefined;
    if (plain) this.#accept(plain, line.number);
    else this.#takeRow(this.#exported.take(line));
  }

  finish(): LoadedRanges {
    this.#takeRow(this.#exported.finish());
    this.#takePorts();
    this.#findings.sort((one, other) => one.line - other.line);
    return {
      table: this.#table,
      rows: this.#rows,
      rejected: this.#rejected,
      unreadable: this.#unreadable,
      findings: this.#findings.slice(0, KEPT_PROBLEMS),
    };
  }

  #takeRow(row: ExportedRow | undefined): void {
    if (!row) return;
    if (row.fault) {
      this.#hideRow(row, row.fault);
      return;
    }
    if (!this.#begun && this.#takeNames(row)) return;
    const read = row.readings.map((cells) => readRangeRow(cells, this.#columns));
    const rows = read.filter((each): each is RangeRow => !('problem' in each));
    const [first] = rows;
    if (!first) this.#hideRow(row, (read[0] as RowFault).problem);
    else if (rows.some((each) => !sameRow(each, first)) || (row.texts.length > 1 && namesMore(row.texts, first)))
      this.#hideRow(row, 'several ways to read its bytes');
    else this.#accept(first, row.line);
  }

  /** True for a row of names. A row with an address is none, whatever else stands in it. */
  #takeNames(row: ExportedRow): boolean {
    const columns = row.readings.map((cells) => columnsOf(cells, RANGE_COLUMNS)).find(Boolean);
    if (!columns || recognisable(row.texts).length > 0) return false;
    this.#columns = columns;
    this.#begun = true;
    const { unclear, places } = columns;
    this.#usualOrder = !unclear && places.address === 0 && places.subscriber === 1 && Object.keys(places).length === 2;
    return true;
  }

  #accept(row: RangeRow, line: number): void {
    this.#begun = true;
    const holder = this.#holderFor(row.subscriber);
    if (typeof holder === 'string') {
      this.#reject({ line, problem: holder });
      this.#hide(row);
    } else if (row.ports) this.#ported.push({ row, holder, line });
    else this.#takeNetwork(row, holder, line);
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
    const hidden = this.#hidden.holderOf(prefix) === NOBODY;
    this.#reject({ line, problem: hidden ? UNREADABLE_BESIDE : 'claimed for somebody else by another row' });
    this.#giveUp(prefix);
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
      const hidden = this.#hidden.holderOf({ ...together[0]!.row, port: 0, portBits: 0 }) === NOBODY;
      for (const { row, holder, line } of together) {
        for (const { port, bits } of portBlocks(row.ports!.first, row.ports!.last))
          this.#put({ words: row.words, bits: row.bits, port, portBits: bits }, agreed && !hidden ? holder : NOBODY);
        if (hidden) this.#reject({ line, problem: UNREADABLE_BESIDE });
        else if (agreed) this.#rows++;
        else this.#reject({ line, problem: 'claimed for somebody else by another row' });
      }
      from = to;
    }
  }

  /** A row that cannot be read, and all that it may speak of. */
  #hideRow({ line, texts, more = false }: ExportedRow, problem: RowProblem): void {
    const prefixes = recognisable(texts);
    if (prefixes.length === 0 && texts.every((text) => FOREIGN_COMMENT.test(text))) return;
    for (const prefix of prefixes) this.#hide(prefix);
    if (more) return;
    if (prefixes.length > 0) this.#unreadable++;
    this.#reject({ line, problem, ...(prefixes.length > 0 && { hides: true }) });
  }

  /** Whose it is is not known; whose it is not is certain: it must not fall to a larger range, of a whole group, around it. */
  #hide({ words, bits }: Prefix): void {
    const prefix = { words, bits, port: 0, portBits: 0 };
    this.#giveUp(prefix);
    this.#hidden.set(prefix, NOBODY, NEVER);
  }

  /** Nobody's, and no longer the row's that claimed it. */
  #giveUp(prefix: Parameters<AddressTable['set']>[0]): void {
    const before = this.#table.holderOf(prefix);
    if (before >= 0) {
      this.#rows--;
      this.#rejected++;
    }
    if (before !== NOBODY) this.#put(prefix, NOBODY);
  }

  #put(prefix: Parameters<AddressTable['set']>[0], holder: number): void {
    // Left out, it would fall to the range around it.
    if (!this.#table.set(prefix, holder, NEVER))
      throw subscribersError(
        'SEKISHO_TOO_MANY_RANGES',
        'the file of static ranges has more rows than one server can hold',
      );
  }

  #reject(finding: RowFinding): void {
    this.#rejected++;
    if (this.#findings.length < KEPT_PROBLEMS) this.#findings.push(finding);
  }
}

/** Another reading names an address that lies elsewhere. */
function namesMore(texts: readonly string[], { words, bits }: RangeRow): boolean {
  const read = bitsOf(words);
  return recognisable(texts).some((named) => {
    const beyond = BigInt(128 - Math.min(bits, named.bits));
    return read >> beyond !== bitsOf(named.words) >> beyond;
  });
}

function sameRow(one: RangeRow, other: RangeRow): boolean {
  return (
    one.subscriber === other.subscriber &&
    one.bits === other.bits &&
    sameAddress(one, other) &&
    one.ports?.first === other.ports?.first &&
    one.ports?.last === other.ports?.last
  );
}

function compareRows(one: RangeRow, other: RangeRow): number {
  for (let i = 0; i < 4; i++) if (one.words[i] !== other.words[i]) return one.words[i]! - other.words[i]!;
  return one.ports!.first - other.ports!.first;
}

function sameAddress(one: RangeRow, other: RangeRow): boolean {
  return one.words.every((word, i) => word === other.words[i]);
}
