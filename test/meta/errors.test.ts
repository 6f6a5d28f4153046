/**
 * Every code of every catalogue (errors.ts of a room or plugin) is documented, used and found; docs/errors.md is made from them.
 * `SEKISHO_WRITE_TABLES=1 npx vitest run test/meta/errors.test.ts` writes it again.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import type { Catalogue, ErrorEntry } from '../../src/errors/errors.ts';
import { repositoryRoot } from '../support/root.ts';

const root = repositoryRoot();
const CODE = /\bSEKISHO(?:_[A-Z0-9]+)+\b/g;

function files(folder: string, end: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file).replaceAll('\\', '/'))
    .filter((file) => file.endsWith(end) && !file.includes('node_modules'))
    .sort();
}

const sources = ['src', 'plugins'].flatMap((folder) => files(folder, '.ts'));
const catalogueFiles = sources.filter((file) => file.endsWith('/errors.ts'));
const catalogues = await Promise.all(
  catalogueFiles.map(async (file) => {
    const module = (await import(pathToFileURL(join(root, file)).href)) as Record<string, unknown>;
    const found = Object.entries(module).filter(([name]) => name.endsWith('_ERRORS'));
    return { file, found: found.map(([, catalogue]) => catalogue as Catalogue) };
  }),
);
const entries: [code: string, entry: ErrorEntry, file: string][] = catalogues.flatMap(({ file, found }) =>
  found.flatMap((catalogue) =>
    Object.entries(catalogue).map(([code, entry]): [string, ErrorEntry, string] => [code, entry, file]),
  ),
);
const codes = new Set(entries.map(([code]) => code));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
/** Names of the same form that are no codes: what the environment sets. */
const environment = new Set(
  [...sources, ...files('test', '.ts'), ...files('scripts', '.mjs'), ...files('bench', '.ts')].flatMap((file) =>
    [...read(file).matchAll(/env(?:\.|\[['"])(SEKISHO_[A-Z_]+)/g)].map(([, name]) => name),
  ),
);

function row([code, { status, exitCode, meaning, remedy }]: (typeof entries)[number]): string {
  const cells = [`\`${code}\``, status, exitCode, meaning, remedy].map((cell) => String(cell).replaceAll('|', '\\|'));
  return `| ${cells.join(' | ')} |`;
}

/** The whole page. */
function page(): string {
  const parts = catalogues.map(({ file }) => {
    const rows = entries.filter(([, , from]) => from === file).sort(([one], [other]) => (one < other ? -1 : 1));
    const what = file.replace(/\/errors\.ts$/, '');
    const title = what.startsWith('plugins/') ? `Plugin ${what.slice(8)}` : `\`${what}\``;
    return `## ${title}\n| code | HTTP | exit | what has happened | what to do |\n|---|---|---|---|---|\n${rows.map(row).join('\n')}\n`;
  });
  return `<!-- Made from the catalogues by test/meta/errors.test.ts: SEKISHO_WRITE_TABLES=1 npx vitest run test/meta/errors.test.ts -->
# Errors
Every error for people and programs has a code that never changes its meaning. The command line prints it after the remedy and
exits with 1, or with 2 where it was used wrongly; with \`--json\` it prints \`{"error": {"code", "message", "remedy", "details"}}\` to
stderr, which is also what the admin API answers. HTTP is the status where a request meets the error; some come up only at the
start or in the command line, and are answered so if they should ever come up in a request.

${parts.join('\n')}`;
}

test('every room and plugin with a file errors.ts keeps one catalogue in it', () => {
  expect(catalogueFiles).toContain('src/errors/errors.ts');
  expect(catalogueFiles).toContain('plugins/sinkhole/errors.ts');
  expect(catalogues.filter(({ found }) => found.length !== 1).map(({ file }) => file)).toEqual([]);
});

test('every code, meaning and remedy is there once', () => {
  const texts = entries.map(([code, { meaning, remedy }]) => [code, meaning, remedy]);
  for (const [code, meaning, remedy] of texts) {
    expect(code).toMatch(/^SEKISHO(_[A-Z]+)+$/);
    expect(meaning, code).toMatch(/^[A-Z].{20,}\.$/);
    expect(remedy, code).toMatch(/^[A-Z`d].{20,}\.$/);
  }
  for (const place of [0, 1, 2]) expect(new Set(texts.map((each) => each[place])).size).toBe(entries.length);
});

test('wrong use of the command line alone exits with 2', () => {
  expect(entries.filter(([, { exitCode }]) => exitCode === 2).map(([code]) => code)).toEqual(['SEKISHO_USAGE']);
});

test('every code is used somewhere', () => {
  const used = new Set(
    sources
      .filter((file) => !file.endsWith('.test.ts'))
      .flatMap((file) => {
        // The entry itself is `CODE: {`.
        const text = read(file).replaceAll(/^ {2}SEKISHO_[A-Z_]+: \{$/gm, '');
        return [...text.matchAll(/'(SEKISHO_[A-Z_]+)'/g)].map(([, code]) => code!);
      }),
  );
  expect([...codes].filter((code) => !used.has(code))).toEqual([]);
});

test('every code that is named anywhere is in a catalogue', () => {
  const named = [...sources, ...files('test', '.ts'), ...files('docs', '.md'), ...files('plugins', '.md')].filter(
    // These make up codes of their own.
    (file) => file !== 'src/errors/errors.test.ts' && file !== 'test/meta/errors.test.ts',
  );
  const unknown = ['README.md', 'README.ja.md', 'ARCHITECTURE.md', ...named].flatMap((file) =>
    [...read(file).matchAll(CODE)]
      .map(([code]) => code)
      .filter((code) => !codes.has(code) && !environment.has(code))
      .map((code) => `${file}: ${code}`),
  );
  expect(unknown).toEqual([]);
});

test('the core holds no code of a plugin', () => {
  const own = new Set(entries.filter(([, , file]) => file.startsWith('plugins/')).map(([code]) => code));
  expect(own.size).toBeGreaterThan(0);
  const core = sources.filter((file) => file.startsWith('src/') && !file.endsWith('.test.ts'));
  expect(core.filter((file) => [...read(file).matchAll(CODE)].some(([code]) => own.has(code)))).toEqual([]);
});

test('docs/errors.md is what the catalogues say', () => {
  const file = join(root, 'docs', 'errors.md');
  if (process.env['SEKISHO_WRITE_TABLES']) writeFileSync(file, page());
  expect(readFileSync(file, 'utf8')).toBe(page());
});
