/**
 * Sends a page, with the headers that every page has: no script, nothing from elsewhere, in no frame, kept by nobody.
 */
import type { FastifyHelmetOptions } from '@fastify/helmet';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PagesDeps } from './deps.ts';
import { chooseLanguage, type Language } from './languages.ts';
import { commonView, type Message, type Page, type Views } from './pages.ts';
import { withdrawals } from './sample-views.ts';

export interface Sent {
  readonly status: number;
  /** The page may send forms to itself; such pages belong to the portal. */
  readonly forms?: boolean;
}

export class Pages {
  readonly #deps: PagesDeps;

  constructor(deps: PagesDeps) {
    this.#deps = deps;
  }

  language(request: FastifyRequest): Language {
    const { lang } = { ...fieldsOf(request.body), ...fieldsOf(request.query) };
    return chooseLanguage(this.#deps.config.languages, lang, request.headers['accept-language']);
  }

  async send<Of extends Page>(
    request: FastifyRequest,
    reply: FastifyReply,
    page: Of,
    view: Views[Of],
    { status, forms = false }: Sent,
  ): Promise<FastifyReply> {
    const { config, templates } = this.#deps;
    const language = this.language(request);
    // A reference of a query alone keeps the path, whatever a stranger made of it (RFC 3986 §5.2.2).
    const common = commonView(config, language, request.method === 'GET' ? '' : '/');
    const isSecure = config.portal.url.startsWith('https:');
    await reply.helmet(pageHeaders(templates.styleSource, forms, isSecure));
    return reply
      .code(status)
      .headers({
        'cache-control': 'no-store',
        'x-robots-tag': 'noindex',
        vary: 'accept-language',
        'content-language': language,
        'content-type': 'text/html; charset=utf-8',
      })
      .send(templates.render(page, language, common, view));
  }

  /** `form`: a ticket, with which whoever reads the message may withdraw consent. */
  message(
    request: FastifyRequest,
    reply: FastifyReply,
    message: Message,
    status: number,
    form?: string,
  ): Promise<FastifyReply> {
    const linkOffered = this.#deps.links !== undefined && LEADS_TO_MEMBER_SITE.includes(message);
    const view = { [message]: true, linkOffered, ...(form !== undefined && { withdrawals: withdrawals(form) }) };
    return this.send(request, reply, 'message', view, { status, forms: form !== undefined });
  }
}

const LEADS_TO_MEMBER_SITE: readonly Message[] = ['unknown', 'group', 'shared'];

/**
 * Headers of every page, by helmet. Forms go to the portal's own origin alone. The Referer of the portal stays inside it (an empty
 * one would also hide the Origin of a form: Fetch §3.2, "append a request Origin header"); that of other pages, whose path a
 * stranger chose, goes nowhere. What binds an origin beyond the page (Strict-Transport-Security, Origin-Agent-Cluster) is not sent:
 * most pages stand under a name that is a stranger's.
 */
function pageHeaders(styleSource: string, forms: boolean, isSecure: boolean): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'style-src': [styleSource],
        'img-src': ['data:'],
        'form-action': [forms ? "'self'" : "'none'"],
        'base-uri': ["'none'"],
        'frame-ancestors': ["'none'"],
      },
    },
    referrerPolicy: { policy: forms ? 'same-origin' : 'no-referrer' },
    frameguard: { action: 'deny' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    // A browser complains of it where there is no TLS.
    crossOriginOpenerPolicy: forms && isSecure ? { policy: 'same-origin' } : false,
    strictTransportSecurity: false,
    originAgentCluster: false,
  };
}

/** Text fields of a form or a query; one that stands there twice counts as absent. */
export function fieldsOf(from: unknown): Readonly<Record<string, string>> {
  if (typeof from !== 'object' || from === null) return {};
  return Object.fromEntries(
    Object.entries(from).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
