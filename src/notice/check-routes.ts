/**
 * "Is this notice from my provider?" Whoever received a notice about an infected terminal types its code in: the page says whether
 * it is genuine, what was seen and when, and takes the word that it is done. It says nothing of the subscriber, who may be
 * on another line or none of ours.
 *
 *   GET  /check?code=   the form, with the code of the link in it: nothing is looked up, so that no scanner of mail counts as a reader
 *   POST /check         the answer; a genuine code counts as seen, with `done` as fixed
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { codeIn } from '../terminals/cases/case.ts';
import type { PagesDeps } from './deps.ts';
import type { CheckView } from './pages.ts';
import { timeWriter } from './portal-view.ts';
import { fieldsOf, type Pages } from './respond.ts';

/** Longer than any code, however it is written. */
const MAX_TYPED = 64;

export interface CheckRefusals {
  /** The answer where the form came from another site; undefined where it did not. */
  crossSite(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> | undefined;
  failed(request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<FastifyReply>;
}

const FORM = { noAudit: 'an empty form, the same for everybody' };
const ANSWER = {
  noAudit:
    'whoever holds the code learns that it is genuine, and nothing of whom; the case itself keeps that it was seen',
};

export function checkRoutes(app: FastifyInstance, deps: PagesDeps, pages: Pages, refusals: CheckRefusals): void {
  const { terminals, counters } = deps;
  const send = (request: FastifyRequest, reply: FastifyReply, view: CheckView) =>
    pages.send(request, reply, 'check', view, { status: 200, forms: true });

  app.get('/check', { config: FORM }, async (request, reply) => {
    if (!terminals) {
      counters.request('message');
      return pages.message(request, reply, 'notFound', 404);
    }
    counters.request('code-asked');
    const { code = '' } = fieldsOf(request.query);
    return send(request, reply, { code: codeIn(code) ?? '', unknown: false, genuine: false });
  });

  app.post('/check', { config: ANSWER }, async (request, reply) => {
    if (!terminals) {
      counters.request('message');
      return pages.message(request, reply, 'notFound', 404);
    }
    const refused = refusals.crossSite(request, reply);
    if (refused) return refused;
    const { code: typed = '', done } = fieldsOf(request.body);
    const code = codeIn(typed);
    try {
      let found = code === undefined ? undefined : await terminals.checked(code);
      if (found && done === 'yes' && found.closedMs === 0) found = await terminals.mark(found.code, 'fixed');
      if (!found) {
        counters.request('code-unknown');
        return send(request, reply, { code: typed.slice(0, MAX_TYPED), unknown: true, genuine: false });
      }
      counters.request('code-genuine');
      const at = timeWriter(pages.language(request));
      const { kind, firstMs, lastMs, state, closedMs } = found;
      const [fixed, wrong] = [state === 'fixed', state === 'wrong'];
      const genuine = {
        code: found.code,
        kind,
        first: at(firstMs),
        last: at(lastMs),
        fixed,
        wrong,
        open: closedMs === 0,
      };
      return send(request, reply, { code: found.code, unknown: false, genuine });
    } catch (error) {
      return refusals.failed(request, reply, error);
    }
  });
}
