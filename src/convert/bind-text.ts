/** named.conf's grammar: statements of words and `{ … }` blocks that end in `;`; comments of three kinds; includes. */
import { dirname, isAbsolute, join } from 'node:path';
import type { Place } from './draft.ts';
import { misread, type ReadFile } from './sources.ts';

/** `word word { statement; … };` */
export interface Statement extends Place {
  readonly words: readonly string[];
  readonly block: readonly Statement[] | undefined;
}

interface Token extends Place {
  readonly text: string;
  readonly quoted: boolean;
}

const MAX_DEPTH = 16;

export async function readStatements(file: string, read: ReadFile, depth = 0): Promise<Statement[]> {
  if (depth > MAX_DEPTH) throw misread(file, 0, 'includes itself, or too many files');
  const tokens = tokensOf(await read.text(file), file);
  const at = { at: 0 };
  const statements = parse(tokens, at, file);
  if (at.at < tokens.length) throw misread(file, tokens[at.at]!.line, "'}' closes nothing");
  return includes(statements, read, depth);
}

/** Includes stand in blocks as well. */
async function includes(statements: readonly Statement[], read: ReadFile, depth: number): Promise<Statement[]> {
  const found: Statement[] = [];
  for (const statement of statements) {
    const { words, block, file } = statement;
    if (words[0] === 'include' && words[1] !== undefined) {
      const pattern = isAbsolute(words[1]) ? words[1] : join(dirname(file), words[1]);
      for (const one of await read.matching(pattern, dirname(file)))
        found.push(...(await readStatements(one, read, depth + 1)));
    } else found.push(block === undefined ? statement : { ...statement, block: await includes(block, read, depth) });
  }
  return found;
}

function parse(tokens: readonly Token[], at: { at: number }, file: string): Statement[] {
  const statements: Statement[] = [];
  while (at.at < tokens.length && !isMark(tokens[at.at]!, '}')) {
    const first = tokens[at.at]!;
    const words: string[] = [];
    let block: Statement[] | undefined;
    for (;;) {
      const token = tokens[at.at++];
      if (token === undefined) throw misread(file, first.line, `'${first.text}' does not end: a ';' is missing`);
      if (isMark(token, ';')) break;
      if (isMark(token, '{')) {
        block = parse(tokens, at, file);
        if (tokens[at.at++] === undefined) throw misread(file, token.line, "'{' is not closed");
      } else if (isMark(token, '}')) throw misread(file, token.line, "a ';' is missing before '}'");
      else words.push(token.text);
    }
    if (words.length > 0 || block !== undefined)
      statements.push({
        file: first.file,
        line: first.line,
        words: words.map((word, i) => (i === 0 ? word.toLowerCase() : word)),
        block,
      });
  }
  return statements;
}

function isMark({ text, quoted }: Token, mark: string): boolean {
  return !quoted && text === mark;
}

function tokensOf(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|#[^\n]*|"((?:[^"\\]|\\.)*)"|[{};]|[^\s{};"]+|\s+/g;
  for (const [found, quoted] of text.matchAll(pattern)) {
    const isComment = found.startsWith('/*') || found.startsWith('//') || found.startsWith('#');
    if (!isComment && found.trim() !== '')
      tokens.push({ file, line, text: quoted ?? found, quoted: quoted !== undefined });
    line += found.split('\n').length - 1;
  }
  return tokens;
}
