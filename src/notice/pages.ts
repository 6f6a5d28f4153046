/**
 * The pages, and what each may say: the names that an operator's templates can use. Logic-less (Mustache): a template can
 * show a value, or a part only where something is so. Docs: docs/notice-page.md.
 */
import { LANGUAGE_NAMES, type Language } from './languages.ts';

/** Templates of each language: what stands around every page, and the pages. */
export const PAGES = ['blocked', 'elsewhere', 'portal', 'check', 'message'] as const;
export type Page = (typeof PAGES)[number];

/** What a message is about; each is a name that is true in `message.html`. */
export const MESSAGES = [
  'notFound',
  'unknown',
  'group',
  'shared',
  'noSubscribers',
  'linkRequired',
  'linkForged',
  'linkExpired',
  'linkUsed',
  'formForged',
  'formExpired',
  'lineChanged',
  'tooOften',
  'refused',
  'failed',
  'badRequest',
  'left',
  'notDurable',
] as const;
export type Message = (typeof MESSAGES)[number];

/** True in templates that speak of a purpose or a category. */
export interface AboutCategory {
  readonly c2: boolean;
  readonly malware: boolean;
}

export interface BlockedView extends AboutCategory {
  readonly name: string;
}

export interface ElsewhereView {
  /** False where the Host header is no name. */
  readonly name: string | false;
  readonly notListed: boolean;
  readonly notInspected: boolean;
}

export interface PortalPurpose extends AboutCategory {
  readonly purpose: string;
  readonly on: boolean;
  readonly contract: boolean;
  readonly individual: boolean;
  readonly optedOut: boolean;
  readonly unknown: boolean;
  readonly canOptOut: boolean;
  readonly canOptIn: boolean;
  /** Off, and there are no terms that could be agreed to. */
  readonly noTerms: boolean;
  /** Goes back with the form (tickets.ts). */
  readonly form: string;
}

export interface PortalView {
  readonly subscriber: string;
  readonly byLine: boolean;
  readonly byLink: boolean;
  readonly done: { readonly optedOut: boolean; readonly optedIn: boolean } | false;
  readonly purposes: readonly PortalPurpose[];
  readonly hasNotices: boolean;
  readonly notices: readonly (AboutCategory & {
    readonly list: string;
    readonly first: string;
    readonly last: string;
    readonly count: number;
  })[];
  /** Names that were looked up are on record (c2-block's `record-names`). They are not shown: others of the household may look. */
  readonly namesKept: boolean;
  readonly hasHistory: boolean;
  readonly history: readonly (AboutCategory & {
    readonly at: string;
    readonly optOut: boolean;
    readonly optIn: boolean;
    readonly looked: boolean;
    readonly exported: boolean;
    readonly portal: boolean;
    readonly callCentre: boolean;
    readonly other: boolean;
    readonly terms: string | false;
  })[];
}

/** Is this notice about an infected terminal from this operator? */
export interface CheckView {
  /** As it was typed, in the form. */
  readonly code: string;
  readonly unknown: boolean;
  readonly genuine:
    | {
        readonly code: string;
        /** What was seen, as the report names it. */
        readonly kind: string;
        readonly first: string;
        readonly last: string;
        readonly fixed: boolean;
        readonly wrong: boolean;
        /** Neither fixed nor wrong nor over: something is to be done. */
        readonly open: boolean;
      }
    | false;
}

export type MessageView = { readonly [message in Message]?: boolean } & {
  readonly linkOffered: boolean;
  /** Where the settings cannot be shown: what can be withdrawn without seeing them. */
  readonly withdrawals?: readonly (AboutCategory & { readonly purpose: string; readonly form: string })[];
};

export interface Views {
  readonly blocked: BlockedView;
  readonly elsewhere: ElsewhereView;
  readonly portal: PortalView;
  readonly check: CheckView;
  readonly message: MessageView;
}

/** What every page knows besides. */
export interface CommonView {
  readonly operator: string;
  readonly contact: { readonly href: string; readonly text: string } | false;
  /** Where the settings are, in the language of the page. */
  readonly portal: string;
  readonly others: readonly { readonly code: Language; readonly language: string; readonly href: string }[];
}

/** Names that a template may use, by file; `frame` stands around all of them. */
export const TEMPLATE_NAMES: Readonly<Record<Page | 'frame', readonly string[]>> = (() => {
  const category = ['c2', 'malware'];
  const common = ['operator', 'contact', 'href', 'text', 'portal', 'others', 'code', 'language'];
  return {
    frame: [...common, 'title', 'style', 'content'],
    blocked: [...common, ...category, 'name'],
    elsewhere: [...common, 'name', 'notListed', 'notInspected'],
    portal: [
      ...common,
      ...category,
      ...['subscriber', 'byLine', 'byLink', 'done', 'optedOut', 'optedIn', 'purposes', 'purpose', 'on', 'contract'],
      ...[
        'individual',
        'unknown',
        'canOptOut',
        'canOptIn',
        'noTerms',
        'form',
        'hasNotices',
        'notices',
        'list',
        'first',
      ],
      ...[
        'last',
        'count',
        'namesKept',
        'hasHistory',
        'history',
        'at',
        'optOut',
        'optIn',
        'looked',
        'exported',
        'callCentre',
        'other',
      ],
      'terms',
    ],
    check: [...common, 'code', 'unknown', 'genuine', 'kind', 'first', 'last', 'fixed', 'wrong', 'open'],
    message: [...common, ...MESSAGES, ...category, 'linkOffered', 'withdrawals', 'purpose', 'form'],
  };
})();

/** Who speaks, where the configuration gives no name. */
const UNNAMED: Readonly<Record<Language, string>> = { ja: 'ご契約の通信事業者', en: 'your internet provider' };

/** What is the same on every page of a language. `here`: the page's own address, for the link to the other language. */
export function commonView(
  config: {
    readonly languages: readonly Language[];
    readonly operator: { readonly name: string | undefined; readonly contact: string | undefined };
    readonly portal: { readonly url: string };
  },
  language: Language,
  here = '',
): CommonView {
  const { operator, portal, languages } = config;
  return {
    operator: operator.name ?? UNNAMED[language],
    contact:
      operator.contact === undefined
        ? false
        : { href: operator.contact, text: operator.contact.replace(/^(mailto|tel|sips|https):(\/\/)?/, '') },
    portal: `${portal.url}?lang=${language}`,
    others: languages
      .filter((other) => other !== language)
      .map((code) => ({ code, language: LANGUAGE_NAMES[code], href: `${here}?lang=${code}` })),
  };
}
