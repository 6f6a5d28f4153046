/**
 * Blocks look-ups of listed C&C servers for subscribers whose consent allows it (2017 direction, reference ①: 契約約款等に
 * 基づく包括的な同意), and does not even look for the others. Options, metrics and an example: README.md.
 *
 *   address ─▶ holder ─▶ purposes ─▶ mask of lists ─▶ policy index ─▶ block, or record a notice
 *              unknown    none        none
 *                 └─────────┴───────────┴──▶ go on: nothing was looked up, nothing is recorded
 */

import { CLASS, CONTINUE, definePlugin, type Query, type Verdict } from '../../src/contract/plugin.ts';
import { expiryMs, type Ground } from '../../src/grounds/ground.ts';
import type { ListsInForce } from '../../src/lists/in-force.ts';
import { ACTION_PASSTHRU } from '../../src/lists/index/rules.ts';
import { categoryBit, PURPOSE_MASKS } from '../../src/subscribers/consent/purposes.ts';
import { describe } from './explain.ts';
import { drainEvery, NoticeRing, noticeRings } from './notice-ring.ts';
import { checkOptions, options, toldWith } from './options.ts';
import { Responder } from './respond.ts';

export default definePlugin({
  name: 'c2-block',
  stage: 'policy',
  summary: 'blocks listed C&C servers for subscribers who consent, and looks at nobody else',
  options,
  listCategories: ['c2', 'malware'],
  check: checkOptions,

  control({ notices, options: { keep, 'record-names': names }, counter, numbers, clock, log, onClose }) {
    // Without subscribers nobody is known, and nothing is recorded.
    if (!notices) return undefined;
    const rings = noticeRings(names !== undefined);
    const groundHolds = () => names !== undefined && clock.wallMs() < endOf(names.ground);
    const lost = counter('notices_lost', 'Look-ups that were not added to a notice, because too many came at once.');
    const desk = {
      record: (records: Parameters<typeof notices.record>[0]) =>
        notices.record(groundHolds() ? records : records.map(({ name: _, ...record }) => record)),
      // Asked for with every look into the rings: a former configuration may have added one in its last moment.
      withoutGround: () => {
        if (!groundHolds()) notices.deleteNames('no ground for names holds (any more)');
      },
      deleteOld: () => {
        notices.deleteOlderThan(keep);
        if (names) notices.deleteNamesOlderThan(names.keep);
      },
      lost: (count: number) => {
        numbers[lost]! += count;
      },
    };
    onClose(drainEvery(rings, desk, clock, log));
    return { shared: rings };
  },

  data({ options, server, lists, subscribers, shared, worker, clock, counter, counters, describeSubscriber }) {
    const { facts } = lists;
    const responder = new Responder(toldWith(options, server));
    const recordsNames = options['record-names'];
    const namesEndMs = recordsNames ? endOf(recordsNames.ground) : 0;
    const ring = shared instanceof SharedArrayBuffer && worker >= 0 ? new NoticeRing(shared, worker) : undefined;
    /** For every combination of purposes, the lists that act for one of them. */
    const listsFor = Int32Array.from({ length: PURPOSE_MASKS }, (_, purposes) =>
      lists.mask(({ category }) => (categoryBit(category) & purposes) !== 0),
    );
    // R3: what is only suspected never blocks.
    const confirmed = lists.mask(({ tier, dryRun }) => tier === 'confirmed' && !dryRun);
    const dryRun = lists.mask(({ dryRun }) => dryRun);
    const lookups = counter('lookups', 'Queries whose name was looked up in lists, with consent.');
    const NOT_INSPECTED = ['known', 'unknown', 'unfiltered_listener', 'no_subscribers', 'no_consent'];
    const notInspected = NOT_INSPECTED.map((reason) =>
      reason === 'known'
        ? -1
        : counter('not_inspected', 'Queries that were passed on without a look, by why.', { reason }),
    );
    const NO_CONSENT = NOT_INSPECTED.length - 1;
    const hits = facts.map(({ name, category, tier, dryRun }) => {
      if (categoryBit(category) === 0) return -1;
      const blocks = tier === 'confirmed' ? responder.actionFor(category) : undefined;
      const action = dryRun ? 'dry-run' : (blocks ?? 'record');
      return counter('hits', 'Names found, by list and by what followed.', { list: name, action });
    });

    return {
      foresee: (query) => subscribers.foresee(query),
      fetch: () => subscribers.fetch(),
      query(query) {
        // R2: consent is looked up before the list is.
        const holder = subscribers.holderOf(query);
        if (holder < 0) {
          counters[notInspected[subscribers.reason]!]! += 1;
          return CONTINUE;
        }
        const wanted = listsFor[subscribers.purposesOf(holder)]!;
        if (wanted === 0) {
          counters[notInspected[NO_CONSENT]!]! += 1;
          return CONTINUE;
        }
        const current = lists.current;
        if (current === undefined || query.question.class !== CLASS.IN) return CONTINUE;
        counters[lookups]! += 1;
        const found = current.names.lookup(query.question, wanted);
        return found === 0 ? CONTINUE : act(query, holder, found, current);
      },
      explain: (query) =>
        describe(query, { lists, subscribers, listsFor, confirmed, dryRun, responder, describeSubscriber }),
    };

    function act(
      query: Query,
      holder: number,
      found: number,
      { names }: NonNullable<ListsInForce['current']>,
    ): Verdict {
      let blocking = -1;
      for (let list = 0; list < facts.length; list++) {
        if ((found & (1 << list)) === 0) continue;
        // A feed in the form of an RPZ may except a name from a wildcard of its own.
        if (names.matchOf(list) && names.action === ACTION_PASSTHRU) continue;
        counters[hits[list]!]! += 1;
        if ((dryRun & (1 << list)) !== 0) continue;
        ring?.push(holder, list, namesEndMs > 0 && clock.wallMs() < namesEndMs ? query.question : undefined);
        if (blocking < 0 && (confirmed & (1 << list)) !== 0 && responder.actionFor(facts[list]!.category) !== undefined)
          blocking = list;
      }
      return blocking < 0 ? CONTINUE : responder.block(query, facts[blocking]!.category);
    }
  },
});

/** Wall-clock milliseconds; a ground that is only reviewed has no end. */
function endOf(of: Ground): number {
  return expiryMs(of) ?? Number.POSITIVE_INFINITY;
}
