/**
 * A YAML file as data, together with the place of every key and value, so that whatever is wrong with the data can be
 * named by line and column.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { errorText } from '../errors/errors.ts';

/** Path from the root of a document to a value. */
export type Path = readonly PropertyKey[];

/** One thing that is wrong, and where. */
export interface ConfigProblem {
  /** File as it was named, or `built-in defaults`. */
  readonly file: string;
  /** Both from 1; 0 where there is no file. */
  readonly line: number;
  readonly column: number;
  /** e.g. `server.listen[1]`; empty for the document as a whole. */
  readonly path: string;
  readonly message: string;
}

/** Aliases that one document may unfold, against files that blow up to gigabytes. */
const MAX_ALIASES = 100;
/** Deepest nesting that is looked at. */
const MAX_DEPTH = 64;

/** What the rest of the configuration needs of a source, of one file or of several (includes.ts). */
export interface ConfigSource {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly ConfigProblem[];
  problem(path: Path, message: string, at?: 'key' | 'value'): ConfigProblem;
}

export class YamlSource implements ConfigSource {
  readonly file: string;
  /** The data; undefined where the text could not be understood. An empty document is `{}`. */
  readonly value: unknown;
  /** What is wrong with the YAML itself. */
  readonly problems: readonly ConfigProblem[];
  readonly #root: Node | null;
  readonly #lines: LineCounter;

  /** `file` is how the source is called in problems. Never throws. */
  constructor(text: string, file: string) {
    this.file = file;
    this.#lines = new LineCounter();
    const problems: ConfigProblem[] = [];
    let root: Node | null = null;
    let value: unknown;
    try {
      const document = parseDocument(text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        version: '1.2',
        logLevel: 'error',
        stringKeys: true,
      });
      root = document.contents;
      for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
        problems.push(this.#problem(pos[0], '', yamlMessage(code, message)));
      }
      // A key that stands there twice leaves the rest readable; other errors would only cause more.
      const readable = [...document.errors, ...document.warnings].every(({ code }) => code === 'DUPLICATE_KEY');
      if (readable && tooDeep(root))
        problems.push(this.#problem(0, '', `is nested more than ${MAX_DEPTH} levels deep`));
      else if (readable) value = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
    } catch (error) {
      problems.push(this.#problem(0, '', errorText(error)));
    }
    this.#root = root;
    this.value = value;
    this.problems = problems;
  }

  /**
   * A problem with the value at `path`, or, with `at: 'key'`, with its key. Where there is no such value, the place of
   * the closest one around it.
   */
  problem(path: Path, message: string, at: 'key' | 'value' = 'value'): ConfigProblem {
    return this.#problem(this.#offset(path, at), pathText(path), message);
  }

  #problem(offset: number, path: string, message: string): ConfigProblem {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), path, message };
  }

  #offset(path: Path, at: 'key' | 'value'): number {
    let node = this.#root;
    let offset = node?.range?.[0] ?? 0;
    for (const [depth, step] of path.entries()) {
      node = this.#resolved(node);
      let key: Node | null = null;
      let next: Node | null = null;
      if (isMap(node)) {
        const pair = node.items.find((item) => keyText(item as Pair) === String(step));
        if (!pair) return offset;
        key = pair.key as Node;
        next = pair.value as Node | null;
      } else if (isSeq(node)) {
        next = (node.items[Number(step)] as Node | undefined) ?? null;
      }
      if (!key && !next) return offset;
      const wantsKey = at === 'key' && depth === path.length - 1;
      // A key without a value (`listen:`) has an empty node after it: the key is the better place.
      const empty = isScalar(next) && next.value === null && !next.source;
      offset = (wantsKey || empty || !next ? (key ?? next) : next)?.range?.[0] ?? offset;
      node = next;
    }
    return offset;
  }

  #resolved(node: Node | null): Node | null {
    if (!isAlias(node)) return node;
    let found: Node | null = null;
    // The anchor that counts is the last one of that name before the alias.
    const visit = (at: unknown, depth: number): void => {
      if (depth > MAX_DEPTH) return;
      if (isMap(at)) for (const item of at.items) visit((item as Pair).value, depth + 1);
      if (isSeq(at)) for (const item of at.items) visit(item, depth + 1);
      if ((isMap(at) || isSeq(at) || isScalar(at)) && at.anchor === node.source && before(at, node)) found = at;
    };
    visit(this.#root, 0);
    return found;
  }
}

/** `file:line:column: path: message`. */
export function problemText(problem: ConfigProblem): string {
  const { file, line, column, path, message } = problem;
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  return path ? `${place}: ${path}: ${message}` : `${place}: ${message}`;
}

/** In the order of the text; a problem that was found twice counts once. */
export function sortedProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const files = [...new Set(problems.map(({ file }) => file))];
  const byText = new Map(problems.map((problem) => [problemText(problem), problem]));
  return [...byText.values()].sort(
    (one, other) =>
      files.indexOf(one.file) - files.indexOf(other.file) || one.line - other.line || one.column - other.column,
  );
}

/** `['server', 'listen', 1]` → `server.listen[1]`. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text ? `.${String(step)}` : String(step);
  }
  return text;
}

function yamlMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'duplicate key';
  const text = errorText(message);
  return `YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined;
}

function before(one: Node, other: Node): boolean {
  return (one.range?.[0] ?? 0) <= (other.range?.[0] ?? 0);
}

function tooDeep(node: unknown, depth = 0): boolean {
  if (depth > MAX_DEPTH) return true;
  if (isMap(node)) return node.items.some((item) => tooDeep((item as Pair).value, depth + 1));
  return isSeq(node) && node.items.some((item) => tooDeep(item, depth + 1));
}
