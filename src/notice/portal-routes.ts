/**
 * The opt-out portal: a subscriber sees the own consent, its history and the dates of blocks, and changes it. Without script.
 *
 *   GET /          recognised by a session (signed link) or by the line ─▶ consent, history, forms with a ticket
 *   POST /consent  from our own page, same subscriber, same line ─▶ ledger, then every worker ─▶ 303 to /
 *   GET, POST /link?token=   a signed link of the member site ─▶ session ─▶ 303 to /
 *   POST /leave    ends the session, in the browser and here
 *   GET, POST /check   is a notice about an infected terminal genuine? (check-routes.ts)
 */
import { randomBytes } from 'node:crypto';
import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAudit } from '../audit/route-declaration.ts';
import { SekishoError } from '../errors/errors.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import { AuditedConsents } from '../subscribers/consent/audited-consents.ts';
import { type Actor, ConsentDesk } from '../subscribers/consent/consent-desk.ts';
import { isPurpose } from '../subscribers/consent/purposes.ts';
import { checkRoutes } from './check-routes.ts';
import type { Refusal } from './counters.ts';
import type { PagesDeps } from './deps.ts';
import type { Message } from './pages.ts';
import { portalView } from './portal-view.ts';
import { recognise, type Visitor } from './recognition.ts';
import { fieldsOf, type Pages } from './respond.ts';
import { type Recognition, SESSION_SECONDS } from './tickets.ts';

/** The message and status for each refusal that a visitor is told of. */
const ANSWERS = {
  'link-forged': ['linkForged', 403],
  'link-audience': ['linkForged', 403],
  'link-subscriber': ['linkForged', 403],
  'link-expired': ['linkExpired', 403],
  'link-used': ['linkUsed', 403],
  'link-busy': ['tooOften', 503],
  'cross-site': ['formForged', 403],
  'form-forged': ['formForged', 403],
  'form-expired': ['formExpired', 403],
  'line-changed': ['lineChanged', 409],
  'line-unknown': ['unknown', 403],
  'line-group': ['group', 403],
  'line-shared': ['shared', 403],
  'too-often': ['tooOften', 429],
  'bad-request': ['badRequest', 400],
  failed: ['failed', 503],
} as const satisfies Partial<Record<Refusal, readonly [Message, number]>>;
type Answered = keyof typeof ANSWERS;

const SESSION_COOKIE = 'sekisho-session';
const BROWSER_COOKIE = 'sekisho-browser';
const BROWSER = /^[A-Za-z0-9_-]{22}$/;
const DONE = ['opt-out', 'opt-in'];

/** What each route leaves in the audit log. */
const OWN_LOOK = { noAudit: 'a subscriber looks at the own page: that is in the consent ledger, once in ten minutes' };
const CHANGE: { audit: RouteAudit } = {
  audit: {
    of: 'change',
    actions: ['consent.opt-out', 'consent.opt-in'],
    unless: 'an opt-out acts also where the audit log cannot be written: it protects whoever asks for it',
  },
};
const LINK = { noAudit: 'it says who somebody is, and shows nothing of anybody' };
const LEAVE = { noAudit: 'it ends a session, and shows nothing of anybody' };

export function portalRoutes(
  app: FastifyInstance,
  deps: PagesDeps,
  pages: Pages,
  visitorOf: (request: FastifyRequest) => Visitor | undefined,
): void {
  const { config, state, links, memory, names, counters, clock } = deps;
  const cookies = cookieOptions(new URL(config.portal.url).protocol === 'https:');

  const refuse = (request: FastifyRequest, reply: FastifyReply, reason: Answered): Promise<FastifyReply> => {
    counters.refused(reason);
    const [message, status] = ANSWERS[reason];
    return pages.message(request, reply, message, status);
  };

  /** Who is asking, or why that cannot be told. */
  const recognised = async (request: FastifyRequest): Promise<Recognition | 'link-required' | Answered> => {
    const session = request.cookies[SESSION_COOKIE];
    const known = session === undefined ? undefined : await memory.tickets.readSession(session, clock.wallMs());
    if (known) return known;
    if (!config.portal.line) return 'link-required';
    const visitor = visitorOf(request);
    if (!visitor || !state) return 'line-unknown';
    const found = recognise(visitor, names.subscribers, state, deps.apiLeases, clock.nowMs());
    return found.kind === 'subscriber'
      ? { subscriber: found.subscriber, by: 'line', binding: found.line }
      : `line-${found.kind}`;
  };

  app.get('/', { config: OWN_LOOK }, async (request, reply) => {
    if (!state) {
      counters.request('message');
      return pages.message(request, reply, 'noSubscribers', 200);
    }
    const who = await recognised(request);
    if (who === 'link-required') {
      counters.request('message');
      return pages.message(request, reply, 'linkRequired', 200);
    }
    if (typeof who === 'string') return refuse(request, reply, who);
    const browser = browserOf(request) ?? randomBytes(16).toString('base64url');
    reply.setCookie(BROWSER_COOKIE, browser, cookies);
    const again = memory.lookedBefore(who.subscriber, who.by);
    const form = await memory.tickets.form(who, browser, clock.wallMs());
    try {
      const record = await new ConsentDesk(state).showOwn(who.subscriber, again, actorOf(who, deps));
      const { done } = fieldsOf(request.query);
      const view = portalView(
        record,
        who.by,
        form,
        DONE.find((each) => each === done),
        pages.language(request),
      );
      counters.request('portal');
      return pages.send(request, reply, 'portal', view, { status: 200, forms: true });
    } catch (error) {
      // No look without a trace. To withdraw, nothing needs to be seen.
      if (!again) memory.forgetLook(who.subscriber, who.by);
      return failed(request, reply, error, form);
    }
  });

  app.post('/consent', { config: CHANGE }, async (request, reply) => {
    if (!state) return pages.message(request, reply, 'noSubscribers', 404);
    if (isCrossSite(request, config.portal.url)) return refuse(request, reply, 'cross-site');
    const { form, purpose, action } = fieldsOf(request.body);
    if (form === undefined) return refuse(request, reply, 'form-forged');
    const who = await recognised(request);
    if (who === 'link-required') return refuse(request, reply, 'form-expired');
    if (typeof who === 'string') return refuse(request, reply, who);
    const fault = await memory.tickets.formFault(form, who, browserOf(request), clock.wallMs());
    if (fault !== undefined) return refuse(request, reply, fault);
    if (purpose === undefined || !isPurpose(purpose) || (action !== 'opt-out' && action !== 'opt-in'))
      return refuse(request, reply, 'bad-request');
    if (!memory.mayChange(who.subscriber)) return refuse(request, reply, 'too-often');
    try {
      const asker = { who: 'subscriber', role: 'subscriber' };
      const consents = new AuditedConsents(state, deps.audit, deps.log);
      const actor = actorOf(who, deps);
      const { durable } = await consents.change(who.subscriber, purpose, action, actor, asker);
      if (!durable) {
        counters.request('opted-out');
        return pages.message(request, reply, 'notDurable', 202);
      }
    } catch (error) {
      return failed(request, reply, error);
    }
    counters.request(action === 'opt-out' ? 'opted-out' : 'opted-in');
    return reply.redirect(`/?done=${action}&lang=${pages.language(request)}`, 303);
  });

  const takeLink = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { token } = { ...fieldsOf(request.query), ...fieldsOf(request.body) };
    if (!links) {
      counters.request('message');
      return pages.message(request, reply, 'notFound', 404);
    }
    if (token === undefined) return refuse(request, reply, 'link-forged');
    const redeemed = await links.redeem(token, clock.termMs());
    if ('fault' in redeemed) return refuse(request, reply, redeemed.fault);
    let session: string;
    try {
      session = await memory.tickets.session(redeemed.subscriber, clock.wallMs());
    } catch (error) {
      return failed(request, reply, error);
    }
    reply.setCookie(SESSION_COOKIE, session, { ...cookies, maxAge: SESSION_SECONDS });
    counters.request('link-taken');
    return reply.header('referrer-policy', 'no-referrer').redirect(`/?lang=${pages.language(request)}`, 303);
  };
  // A browser that looks ahead must not use a link up: no HEAD.
  app.get('/link', { exposeHeadRoute: false, config: LINK }, takeLink);
  app.post('/link', { config: LINK }, takeLink);

  app.post('/leave', { config: LEAVE }, async (request, reply) => {
    // On the server: a copy of the cookie is worth nothing from now on, and forms of this browser neither.
    const session = request.cookies[SESSION_COOKIE];
    try {
      if (session !== undefined) await memory.tickets.endSession(session, clock.wallMs());
    } catch (error) {
      return failed(request, reply, error);
    }
    reply.setCookie(SESSION_COOKIE, '', { ...cookies, maxAge: 0 });
    reply.setCookie(BROWSER_COOKIE, '', { ...cookies, maxAge: 0 });
    counters.request('message');
    return pages.message(request, reply, 'left', 200);
  });

  checkRoutes(app, deps, pages, {
    crossSite: (request, reply) =>
      isCrossSite(request, config.portal.url) ? refuse(request, reply, 'cross-site') : undefined,
    failed: (request, reply, error) => failed(request, reply, error),
  });

  async function failed(
    request: FastifyRequest,
    reply: FastifyReply,
    error: unknown,
    form?: string,
  ): Promise<FastifyReply> {
    if (error instanceof SekishoError && error.code === 'SEKISHO_CONSENT_REFUSED') {
      counters.refused('bad-request');
      return pages.message(request, reply, 'refused', 422);
    }
    deps.log.error({ fault: faultOf(error) }, 'the portal failed to record an access or a change of consent');
    deps.log.debug?.(
      { message: faultText(error) },
      'the portal failed to record an access or a change of consent: message',
    );
    counters.refused('failed');
    const [message, status] = ANSWERS.failed;
    return pages.message(request, reply, message, status, form);
  }
}

/** Who the ledger says it was: the subscriber, and how that was known. */
function actorOf({ by }: Recognition, { links }: PagesDeps): Actor {
  const reason = by === 'line' ? 'recognised by the line' : `signed link of ${links?.issuer ?? 'the member site'}`;
  return { who: 'subscriber', channel: 'portal', reason };
}

/** Fetch Metadata and Origin (Fetch §3.2), where the browser sends them; the ticket is looked at in any case. */
function isCrossSite({ headers }: FastifyRequest, portalUrl: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return true;
  const { origin } = headers;
  return origin !== undefined && origin !== new URL(portalUrl).origin && origin !== `http://${headers.host}`;
}

/** Nobody's script may read it; it goes with links to the portal, never with a form of another site (RFC 6265bis §5.6.7). */
function cookieOptions(secure: boolean): CookieSerializeOptions {
  return { path: '/', httpOnly: true, sameSite: 'lax', secure };
}

function browserOf(request: FastifyRequest): string | undefined {
  const text = request.cookies[BROWSER_COOKIE];
  return text !== undefined && BROWSER.test(text) ? text : undefined;
}
