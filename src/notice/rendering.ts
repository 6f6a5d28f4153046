/** Pages made from loaded templates. Mustache escapes whatever a page shows; the three values that are not escaped are made here. */
import { createHash } from 'node:crypto';
import Mustache from 'mustache';
import type { Language } from './languages.ts';
import type { CommonView, Page, Views } from './pages.ts';

export interface TemplateFile {
  /** As it is named in problems. */
  readonly file: string;
  readonly text: string;
}

export type LanguageFiles = Readonly<Record<Page | 'frame', TemplateFile>>;

export class Templates {
  /** `style-src` of the Content-Security-Policy (CSP 3 §8.3): this style sheet and no other. */
  readonly styleSource: string;
  readonly #style: string;
  readonly #files: ReadonlyMap<Language, LanguageFiles>;

  constructor(style: string, files: ReadonlyMap<Language, LanguageFiles>) {
    this.#style = style;
    this.styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`;
    this.#files = files;
  }

  /** The whole page. Throws where a template is wrong; templates that were loaded are not. */
  render<Of extends Page>(page: Of, language: Language, common: CommonView, view: Views[Of]): string {
    const files = this.#files.get(language);
    if (!files) throw new TypeError(`no templates for ${language}`);
    const content = Mustache.render(files[page].text, { ...common, ...view });
    return Mustache.render(files.frame.text, { ...common, title: titleOf(content), style: this.#style, content });
  }
}

/** What the first heading says, escaped as it stands there. */
function titleOf(content: string): string {
  const heading = /<h1\b[^>]*>([\s\S]*?)<\/h1>/i.exec(content)?.[1] ?? '';
  return heading.replaceAll(/<[^>]*>/g, '').trim();
}
