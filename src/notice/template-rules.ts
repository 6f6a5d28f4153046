/**
 * What a template must not hold, and what the finished page must. Guideline v3, 3(2)(ハ)②: 注意喚起画面に、注意喚起の
 * 説明に加え、随時同意内容を変更できること等の説明がされている. So a page without its explanation, without the way to opt out
 * and back in, or without the word that no terms change, is refused before anybody sees it.
 *
 *   source    tags and names, with their line: no script, nothing from elsewhere, nothing unescaped, no unknown name
 *   rendered  with made-up content, for every category and state: the parts below are there and work
 */
import Mustache from 'mustache';
import { type DefaultTreeAdapterTypes, parse, parseFragment } from 'parse5';
import { unknownKey } from '../settings/problems.ts';
import type { Language } from './languages.ts';
import { commonView, type Page, TEMPLATE_NAMES } from './pages.ts';
import type { TemplateFile, Templates } from './rendering.ts';
import { SAMPLE_TICKET, type Sample, samples } from './sample-views.ts';

/** One thing that is wrong; the same form as a problem of the configuration. */
export interface TemplateProblem {
  readonly file: string;
  /** From 1; 0 where it is about the page as a whole. */
  readonly line: number;
  readonly column: number;
  /** Always empty. */
  readonly path: '';
  readonly message: string;
}

type Element = DefaultTreeAdapterTypes.Element;
type Node = DefaultTreeAdapterTypes.Node;

/** Elements that run, load or change what the page's own policy says. */
const REFUSED_ELEMENTS = ['script', 'iframe', 'frame', 'object', 'embed', 'applet', 'link', 'base', 'foreignobject'];
/** Attributes that make a browser fetch something. */
const FETCHING = ['src', 'srcset', 'poster', 'data', 'background', 'xlink:href', 'ping', 'manifest'];
const FORM_TARGETS = ['/consent', '/link', '/leave', '/check'];
/** Values that are not escaped, because they are made by the server: in the frame alone. */
const RAW = ['title', 'style', 'content'];
/** Least text that counts as an explanation. */
const LEAST_EXPLANATION = 20;
/** What the rendered samples say of themselves. */
const SAMPLE_CONFIG = { operator: { name: 'ISP Example', contact: 'mailto:help@isp.example' } };
const SAMPLE_PORTAL = 'https://optout.isp.example/';

export function sourceProblems(page: Page | 'frame', { file, text }: TemplateFile): TemplateProblem[] {
  const at = (offset: number, message: string): TemplateProblem => ({
    file,
    ...lineOf(text, offset),
    path: '',
    message,
  });
  const problems: TemplateProblem[] = [];
  let tokens: Token[];
  try {
    tokens = Mustache.parse(text) as unknown as Token[];
  } catch (error) {
    const [, message = 'is no template', offset = '0'] =
      /^(.*?) at (\d+)$/.exec(String((error as Error).message)) ?? [];
    return [at(Number(offset), `template: ${message.charAt(0).toLowerCase()}${message.slice(1)}`)];
  }
  for (const [type, name, start] of allTokens(tokens)) {
    if (type === 'text' || type === '!') continue;
    if (type === '=' || type === '>') problems.push(at(start, `'{{${type}' is not used here`));
    else if (type === '&' && !(page === 'frame' && RAW.includes(name)))
      problems.push(at(start, `'{{{${name}}}}' would not be escaped: write {{${name}}}`));
    else if (!TEMPLATE_NAMES[page].includes(name))
      problems.push(at(start, `'${name}': ${unknownKey(name, TEMPLATE_NAMES[page]).replace('key', 'name')}`));
  }
  const tree = page === 'frame' ? parse(text, { sourceCodeLocationInfo: true }) : fragment(text);
  for (const element of elementsOf(tree)) {
    const place = element.sourceCodeLocation;
    // What the parser adds by itself (html, head, tbody) has no place.
    if (!place) continue;
    const complain = (message: string) => problems.push(at(place.startOffset, `<${element.tagName}>: ${message}`));
    if (REFUSED_ELEMENTS.includes(element.tagName.toLowerCase())) complain('is not for a notice page');
    if (element.tagName === 'style' && page !== 'frame') complain('styles belong into style.css');
    for (const { name, value, prefix } of element.attrs) {
      const why = attributeFault(prefix ? `${prefix}:${name}` : name, value.trim());
      if (why !== undefined) complain(`${name}: ${why}`);
    }
  }
  if (page === 'frame')
    for (const name of RAW)
      if (!allTokens(tokens).some(([type, value]) => type === '&' && value === name))
        problems.push(at(0, `lacks {{{${name}}}}, where the ${name} of the page goes`));
  return problems;
}

export function styleProblems({ file, text }: TemplateFile): TemplateProblem[] {
  const found = /<\/|@import|url\(\s*["']?(?!data:)/i.exec(text);
  if (!found) return [];
  const message = found[0] === '</' ? "'</' would end the style sheet" : 'loads something from elsewhere';
  return [{ file, ...lineOf(text, found.index), path: '', message }];
}

/** Every page of the language with made-up content. */
export function renderedProblems(
  templates: Templates,
  language: Language,
  fileOf: (page: Page) => string,
): TemplateProblem[] {
  const common = commonView({ ...SAMPLE_CONFIG, languages: [language], portal: { url: SAMPLE_PORTAL } }, language);
  return samples().flatMap((sample) => {
    const tree = parse(templates.render(sample.page, language, common, sample.view as never));
    return missingParts(sample, new PageParts(tree)).map(
      (message): TemplateProblem => ({
        file: fileOf(sample.page),
        line: 0,
        column: 0,
        path: '',
        message: `as ${sample.name}: ${message}`,
      }),
    );
  });
}

/** What the page lacks, as sentences. */
function missingParts(sample: Sample, parts: PageParts): string[] {
  const missing: string[] = [];
  const need = (holds: boolean, message: string) => void (holds || missing.push(message));
  need(parts.text(parts.elements('h1')[0]).length > 0, 'has no <h1>, which says what the page is about');
  need(
    parts.text(parts.byId('why')).length >= LEAST_EXPLANATION,
    `has no explanation: an element with id="why" and at least ${LEAST_EXPLANATION} characters`,
  );
  if (sample.page === 'message') return missing;
  if (sample.page === 'check') {
    const { code, genuine } = (sample as Sample<'check'>).view;
    need(parts.asksForCode(), 'has no form that asks for the code: method="post" action="/check", a field named code');
    if (genuine !== false)
      need(parts.text(parts.elements('main')[0]).includes(code), 'does not repeat the code: {{code}}');
    return missing;
  }
  need(
    parts.text(parts.byId('terms')).length >= LEAST_EXPLANATION,
    'does not say that no terms change: an element with id="terms"',
  );
  if (sample.page === 'blocked') {
    need(
      parts.text(parts.elements('main')[0]).includes((sample as Sample<'blocked'>).view.name),
      'does not say what was blocked: {{name}}',
    );
    need(parts.leadsToPortal('opt-out'), 'has no way to opt out: id="opt-out" with <a href="{{portal}}"> in it');
  }
  if (sample.page === 'elsewhere')
    need(parts.leadsToPortal('opt-in'), 'has no way to opt in: id="opt-in" with <a href="{{portal}}"> in it');
  if (sample.page === 'portal')
    for (const { purpose, canOptOut, canOptIn } of (sample as Sample<'portal'>).view.purposes) {
      need(!canOptOut || parts.hasForm(purpose, 'opt-out'), `has no working form to opt out of ${purpose}`);
      need(!canOptIn || parts.hasForm(purpose, 'opt-in'), `has no working form to opt in to ${purpose}`);
    }
  return missing;
}

/** A finished page, to look for its parts; what is hidden does not count. */
class PageParts {
  readonly #all: Element[];

  constructor(tree: Node) {
    this.#all = elementsOf(tree, (element) => !isHidden(element));
  }

  elements(tag: string): Element[] {
    return this.#all.filter(({ tagName }) => tagName === tag);
  }

  byId(id: string): Element | undefined {
    return this.#all.find((element) => attribute(element, 'id') === id);
  }

  /** White space does not count. */
  text(of: Node | undefined): string {
    if (of === undefined) return '';
    if ('value' in of) return of.value.trim();
    if (!('childNodes' in of) || ('tagName' in of && isHidden(of))) return '';
    return of.childNodes.map((node) => this.text(node)).join('');
  }

  leadsToPortal(id: string): boolean {
    const part = this.byId(id);
    if (!part) return false;
    return [part, ...elementsOf(part, (element) => !isHidden(element))].some(
      (element) =>
        element.tagName === 'a' &&
        (attribute(element, 'href')?.startsWith(SAMPLE_PORTAL) ?? false) &&
        this.text(element).length > 0,
    );
  }

  asksForCode(): boolean {
    return this.elements('form').some((form) => {
      const fields = elementsOf(form, (element) => attribute(element, 'disabled') === undefined);
      const isPost = attribute(form, 'method')?.toLowerCase() === 'post' && attribute(form, 'action') === '/check';
      return isPost && fields.some((element) => attribute(element, 'name') === 'code' && !isHidden(element));
    });
  }

  hasForm(purpose: string, action: 'opt-out' | 'opt-in'): boolean {
    return this.elements('form').some((form) => {
      const inside = elementsOf(form, (element) => attribute(element, 'disabled') === undefined);
      const field = (name: string, value: string) =>
        inside.find((element) => attribute(element, 'name') === name && attribute(element, 'value') === value);
      const button = field('action', action);
      return (
        attribute(form, 'method')?.toLowerCase() === 'post' &&
        attribute(form, 'action') === '/consent' &&
        field('form', SAMPLE_TICKET) !== undefined &&
        field('purpose', purpose) !== undefined &&
        button?.tagName === 'button' &&
        !isHidden(button) &&
        this.text(button).length > 0
      );
    });
  }
}

/** Why an attribute is refused; undefined: it may stay. */
function attributeFault(name: string, value: string): string | undefined {
  const key = name.toLowerCase();
  if (key.startsWith('on')) return 'runs a script';
  if (key === 'style') return 'styles belong into style.css';
  if (key === 'http-equiv') return 'headers are the server’s';
  if (FETCHING.includes(key) && !value.startsWith('data:image/'))
    return 'loads something; write a picture as data:image/…';
  if (key === 'action' || key === 'formaction')
    return FORM_TARGETS.includes(value) ? undefined : `forms go to ${FORM_TARGETS.join(', ')}`;
  if (key === 'href' && !/^(\{\{\w+\}\}|https?:\/\/|mailto:|tel:|#|\/)/i.test(value))
    return 'leads to https://…, mailto:…, tel:… or a name of the template';
  return undefined;
}

/** `[type, name, start, end, inner tokens …]`, as mustache.js makes them. */
type Token = [type: string, name: string, start: number, end: number, inner?: Token[]];

function allTokens(tokens: readonly Token[]): Token[] {
  return tokens.flatMap((token) => [token, ...(Array.isArray(token[4]) ? allTokens(token[4]) : [])]);
}

function fragment(text: string): Node {
  return parseFragment(text, { sourceCodeLocationInfo: true });
}

/** All elements below `node`, in their order; below one that is not `wanted`, none. */
function elementsOf(node: Node, wanted: (element: Element) => boolean = () => true): Element[] {
  if (!('childNodes' in node)) return [];
  return node.childNodes.flatMap((child) => {
    if (!('tagName' in child)) return [];
    return wanted(child) ? [child, ...elementsOf(child, wanted)] : [];
  });
}

function isHidden(element: Element): boolean {
  return (
    attribute(element, 'hidden') !== undefined ||
    attribute(element, 'aria-hidden') === 'true' ||
    element.tagName === 'template' ||
    element.tagName === 'noscript'
  );
}

function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((each) => each.name === name)?.value;
}

/** Line and column, both from 1. */
function lineOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
