/**
 * The texts of the pages: those of the operator's folder, and for every file that is not there the one that comes with the
 * server. Mustache escapes whatever a page shows; the three values that are not escaped are made here.
 *
 *   pages/  colours.css style.css  ja/frame.html blocked.html elsewhere.html portal.html message.html  en/…
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Language } from './languages.ts';
import { PAGES, type Page } from './pages.ts';
import { type LanguageFiles, type TemplateFile, Templates } from './rendering.ts';
import type { TemplateProblem } from './template-rules.ts';

const STYLE_FILE = 'style.css';
/** Shared with the console; comes ahead of the style, which may set colours of its own. */
const COLOURS_FILE = 'colours.css';
/** A page with a logo in it; beyond is a mistake. */
const MAX_TEMPLATE_CHARACTERS = 256 * 1024;

export interface LoadedTemplates {
  /** Absent where there is a problem. */
  readonly templates?: Templates;
  readonly problems: readonly TemplateProblem[];
}

/**
 * Reads, compiles and validates. Rejects never: what is wrong is told. What comes with the server is not looked at again at each
 * start: its tests do that (`shippedToo`).
 */
export async function loadTemplates(
  folder: string | undefined,
  languages: readonly Language[],
  { shippedToo = false }: { readonly shippedToo?: boolean } = {},
): Promise<LoadedTemplates> {
  const problems: TemplateProblem[] = [];
  const read = async (name: string): Promise<TemplateFile> => {
    const own = folder === undefined ? undefined : join(folder, name);
    const file = own !== undefined && existsSync(own) ? own : join(shippedPages(), name);
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
      if (text.length <= MAX_TEMPLATE_CHARACTERS) return { file, text };
      problems.push(problemOf(file, 'is too long for a page'));
    } catch (error) {
      const isEncoding = (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA';
      problems.push(problemOf(file, isEncoding ? 'is not UTF-8 text' : 'cannot be read'));
    }
    return { file, text: '' };
  };
  if (folder !== undefined && !existsSync(folder)) return { problems: [problemOf(folder, 'there is no such folder')] };

  const [colours, style] = await Promise.all([read(COLOURS_FILE), read(STYLE_FILE)]);
  const files = new Map<Language, LanguageFiles>();
  for (const language of languages) {
    const [frame, ...pages] = await Promise.all(['frame', ...PAGES].map((page) => read(`${language}/${page}.html`)));
    const byPage = Object.fromEntries(PAGES.map((page, i) => [page, pages[i]!])) as Record<Page, TemplateFile>;
    files.set(language, { frame: frame!, ...byPage });
  }
  if (problems.length > 0) return { problems };
  const templates = new Templates(`${colours.text}${style.text}`, files);
  if (folder === undefined && !shippedToo) return { templates, problems };
  const { renderedProblems, sourceProblems, styleProblems } = await import('./template-rules.ts');
  problems.push(...styleProblems(colours), ...styleProblems(style));
  for (const set of files.values())
    for (const page of ['frame', ...PAGES] as const) problems.push(...sourceProblems(page, set[page]));
  // What a page says is looked at when every file of it is a template.
  if (problems.length > 0) return { problems };
  for (const [language, set] of files)
    problems.push(...renderedProblems(templates, language, (page) => set[page].file));
  return problems.length > 0 ? { problems } : { templates, problems };
}

/** The folder pages/, which is shipped with the program: beside src/ and beside dist/. */
export function shippedPages(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const pages = join(folder, 'pages');
    if (existsSync(join(pages, STYLE_FILE)) || dirname(folder) === folder) return pages;
  }
}

function problemOf(file: string, message: string): TemplateProblem {
  return { file, line: 0, column: 0, path: '', message };
}
