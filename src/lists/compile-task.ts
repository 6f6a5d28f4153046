/**
 * What the compiler thread does: read lists, look at them for the guard, build the policy indexes.
 *
 *   file ─▶ parser of the format ─▶ GuardScan ─▶ ListsBuilder ─┐
 *   lists that did not change: from the indexes in force ──────┴─▶ CompiledLists in shared memory
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { ListsBuilder, zoneFacts } from './compile.ts';
import type { CompileRequest, CompileResult, CompilerSettings, FoundLine, ListInput, SoughtRule } from './compiler.ts';
import { createListParser, type ParseSummary } from './formats/parser.ts';
import { excerpt } from './formats/rejects.ts';
import type { EntrySink } from './formats/sink.ts';
import { PopularNames } from './guard/popular-names.ts';
import { publicSuffixRules } from './guard/public-suffix-rules.ts';
import { GuardScan } from './guard/scan.ts';
import { SuspectNames } from './guard/suspect-names.ts';
import type { ListConfig } from './list-config.ts';
import { LineSink } from './locate.ts';

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 10;

export class CompileTask {
  readonly #settings: CompilerSettings;
  readonly #between: () => void;
  #guarded: { readonly popular: PopularNames; readonly suspects: SuspectNames } | undefined;

  /** `between` is called between two chunks of a file. */
  constructor(settings: CompilerSettings, between: () => void = () => {}) {
    this.#settings = settings;
    this.#between = between;
  }

  compile({ version, previous, keep, read, spare }: CompileRequest): CompileResult {
    const startedMs = performance.now();
    const { key } = this.#settings;
    const builder = new ListsBuilder({ key, version, spare });
    if (previous && keep !== 0) builder.keep(previous, keep);
    const results = read.map(({ index, list, path, withoutOffenders }) => {
      const scan = new GuardScan(builder.sink(index, list.format === 'rpz' ? list : undefined), {
        options: list.guard,
        ...this.#guardedNames(),
        key,
        ...(withoutOffenders && { withoutOffenders }),
      });
      const parsed = parseFile(path, list, scan, this.#between);
      if (list.format === 'adblock') builder.adblock(index);
      const zone = zoneFacts(parsed);
      if (zone) builder.zone(index, zone);
      return { index, parsed, scan: scan.finish() };
    });
    const compiled = builder.build();
    return {
      compiled,
      read: results,
      elapsedMs: performance.now() - startedMs,
    };
  }

  locate({ list, path }: ListInput, sought: readonly SoughtRule[]): FoundLine[] {
    const sink = new LineSink(sought);
    parseFile(path, list, sink, this.#between);
    const texts = linesOf(path, new Set(sink.found.map(({ line }) => line)));
    return sink.found.map((found) => ({ ...found, text: texts.get(found.line) ?? '' }));
  }

  #guardedNames(): { readonly popular: PopularNames; readonly suspects: SuspectNames } {
    if (!this.#guarded) {
      const { key, popularNamesFile } = this.#settings;
      const popular = PopularNames.parse(readFileSync(popularNamesFile, 'utf8')).names;
      this.#guarded = { popular, suspects: new SuspectNames(key, popular, publicSuffixRules()) };
    }
    return this.#guarded;
  }
}

/** Read a whole list. `between` is called between two chunks of it. */
export function parseFile(
  path: string,
  list: ListConfig,
  sink: EntrySink,
  between: () => void = () => {},
): ParseSummary {
  const { match, columns, zone, singleLabels, category } = list;
  const rewrites = category === 'policy';
  const parser = createListParser(list.format, { match, columns, zone, singleLabels, rewrites }, sink);
  for (const chunk of chunksOf(path)) {
    parser.feed(chunk);
    if (parser.refusal !== undefined) break;
    between();
  }
  return parser.end();
}

/** One buffer, filled again and again. */
function* chunksOf(path: string): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const bytes = readSync(file, buffer, 0, CHUNK_BYTES, null);
      if (bytes === 0) return;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    closeSync(file);
  }
}

/** The beginnings of the wanted lines (numbered from 1), safe to show. */
function linesOf(path: string, wanted: ReadonlySet<number>): Map<number, string> {
  const texts = new Map<number, string>();
  const last = Math.max(0, ...wanted);
  let line = 1;
  let carry: Uint8Array = new Uint8Array(0);
  const finish = (bytes: Uint8Array): void => {
    if (wanted.has(line)) texts.set(line, excerpt(bytes, 0, withoutReturn(bytes)));
    line++;
  };
  for (const chunk of chunksOf(path)) {
    if (line > last) break;
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && line <= last; end = chunk.indexOf(NEWLINE, from)) {
      finish(carry.length > 0 ? joined(carry, chunk.subarray(from, end)) : chunk.subarray(from, end));
      carry = new Uint8Array(0);
      from = end + 1;
    }
    // Only the beginning of a line is shown.
    if (wanted.has(line) && carry.length < 1024) carry = joined(carry, chunk.subarray(from));
  }
  if (line <= last) finish(carry);
  return texts;
}

function withoutReturn(bytes: Uint8Array): number {
  return bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length;
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
