/**
 * Blocks look-ups of listed C&C servers for subscribers whose consent allows it (2017 direction, reference ①: 契約約款等に
 * 基づく包括的な同意), and does not even look for the others. Options, metrics and an example: README.md.
 *
 *   address ─▶ holder ─▶ purposes ─▶ mask of lists ─▶ policy index ─▶ block, or record a notice
 *              unknown    none        none
 *                 └─────────┴───────────┴──▶ go on: nothing was looked up, nothing is recorded
 *
 * So for the name that is asked for, before it is resolved; and once more, consent included, for the names to which the
 * answer leads: a listed name behind an alias is a listed name.
 */

import {
  ACTION_PASSTHRU,
  CACHE_HIT,
  CACHE_NOT_ASKED,
  CLASS,
  CONTINUE,
  categoryBit,
  definePlugin,
  expiryMs,
  type Ground,
  type LoadedLists,
  PURPOSE_MASKS,
  type Query,
  type Verdict,
} from '../../src/contract/plugin.ts';
import { describe, describeAnswer } from './explain.ts';
import { drainEvery, NoticeRing, noticeRings } from './notice-ring.ts';
import { checkOptions, options, toldWith } from './options.ts';
import { Responder } from './respond.ts';
import { mayLeadOn, Targets } from './targets.ts';

export default definePlugin({
  name: 'c2-block',
  stage: 'policy',
  summary: 'blocks listed C&C servers for subscribers who consent, and looks at nobody else',
  options,
  listCategories: ['c2', 'malware'],
  check: checkOptions,

  control({ notices, options: { keep, 'record-names': names }, counter, numbers, clock, log, every, onClose }) {
    // Without subscribers nobody is known, and nothing is recorded.
    if (!notices) return undefined;
    const rings = noticeRings(names !== undefined);
    const groundHolds = () => names !== undefined && clock.termMs() < endOf(names.ground);
    const lost = counter('notices_lost', 'Look-ups that were not added to a notice, because too many came at once.');
    const desk = {
      record: (records: Parameters<typeof notices.record>[0]) =>
        notices.record(groundHolds() ? records : records.map(({ name: _, ...record }) => record)),
      // Asked for with every look into the rings: a former configuration may have added one in its last moment.
      withoutGround: async () => {
        if (!groundHolds()) await notices.deleteNames('no ground for names holds (any more)');
      },
      deleteOld: async () => {
        await notices.deleteOlderThan(keep);
        if (names) await notices.deleteNamesOlderThan(names.keep);
      },
      lost: (count: number) => {
        numbers[lost]! += count;
      },
    };
    onClose(drainEvery(rings, desk, { clock, log, every }));
    return { shared: rings };
  },

  data({ options, server, lists, subscribers, shared, worker, clock, counter, counters, describeSubscriber }) {
    const { facts } = lists;
    const responder = new Responder(toldWith(options, server));
    const recordsNames = options['record-names'];
    const namesEndMs = recordsNames ? endOf(recordsNames.ground) : 0;
    // What has ended by the clock once has ended, also where the clock is set back.
    let namesEnded = recordsNames === undefined;
    const ring = shared instanceof SharedArrayBuffer && worker >= 0 ? new NoticeRing(shared, worker) : undefined;
    /** For every combination of purposes, the lists that act for one of them. */
    const listsFor = Int32Array.from({ length: PURPOSE_MASKS }, (_, purposes) =>
      lists.mask(({ category }) => (categoryBit(category) & purposes) !== 0),
    );
    // What is only suspected never blocks.
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

    /** The same where this plugin is a dry run in the view. */
    const onlyCounted = facts.map(({ name, category }) =>
      categoryBit(category) === 0
        ? -1
        : counter('hits', 'Names found, by list and by what followed.', { list: name, action: 'dry-run' }),
    );

    const targets = new Targets();
    /** Whom the query hook has last let go without a look: packets answered at once need not be asked about again. */
    const passedOn = { id: -1, port: 0, hashLow: 0, hashHigh: 0 };

    return {
      foresee: (query) => subscribers.foresee(query),
      fetch: () => subscribers.fetch(),
      query(query) {
        // Consent is looked up before the list is.
        const holder = subscribers.holderOf(query);
        if (holder < 0) {
          counters[notInspected[subscribers.reason]!]! += 1;
          return passOn(query);
        }
        // A view takes lists away; what is left of consent stays as it is.
        const wanted = listsFor[subscribers.purposesOf(holder)]! & query.lists;
        if (wanted === 0) {
          counters[notInspected[NO_CONSENT]!]! += 1;
          return passOn(query);
        }
        passedOn.id = -1;
        const current = lists.current;
        if (current === undefined || query.question.class !== CLASS.IN) return CONTINUE;
        counters[lookups]! += 1;
        const found = current.names.lookup(query.question, wanted);
        if (found === 0) return CONTINUE;
        const { name, nameLength } = query.question;
        const blocking = act(query, holder, found, current, name, nameLength);
        return blocking < 0 ? CONTINUE : responder.block(query, facts[blocking]!.category);
      },
      answer(query) {
        // Neither cache nor source: a plugin wrote it, this one included, or the server itself.
        if (query.cacheResult === CACHE_NOT_ASKED || query.question.class !== CLASS.IN) return CONTINUE;
        if (query.cacheResult === CACHE_HIT && wasPassedOn(query)) return CONTINUE;
        // Asked again, because the answer may have been waited for: an opt-out acts on it.
        const holder = subscribers.holderOf(query);
        const wanted = holder < 0 ? 0 : listsFor[subscribers.purposesOf(holder)]! & query.lists;
        const current = lists.current;
        if (wanted === 0 || current === undefined || !mayLeadOn(query)) return CONTINUE;
        return answerWith(query, holder, wanted, current);
      },
      explain: (query, hook, verdict) => {
        const parts = { lists, subscribers, listsFor, confirmed, dryRun, responder, describeSubscriber };
        return hook === 'answer' ? describeAnswer(query, verdict, parts) : describe(query, parts);
      },
    };

    function namesMayBeKept(): boolean {
      if (namesEnded) return false;
      const termMs = clock.termMs();
      if (termMs < namesEndMs) return true;
      namesEnded = namesEndMs < Number.POSITIVE_INFINITY && termMs < Number.POSITIVE_INFINITY;
      return namesEndMs === Number.POSITIVE_INFINITY;
    }

    function passOn({ id, port, question }: Query): Verdict {
      passedOn.id = id;
      passedOn.port = port;
      passedOn.hashLow = question.hashLow;
      passedOn.hashHigh = question.hashHigh;
      return CONTINUE;
    }

    /** Where another packet is taken for that one, nobody is inspected who is not to be. */
    function wasPassedOn({ id, port, question }: Query): boolean {
      return (
        passedOn.id === id &&
        passedOn.port === port &&
        passedOn.hashLow === question.hashLow &&
        passedOn.hashHigh === question.hashHigh
      );
    }

    /** The names behind the one asked for; each list counts once a query, also where it has several of them. */
    function answerWith(query: Query, holder: number, wanted: number, current: LoadedLists): Verdict {
      targets.read(query);
      const { names } = current;
      let asked = wanted & ~names.lookup(query.question, wanted);
      for (let i = 0; i < targets.count && asked !== 0; i++) {
        const { bytes, length, labelStarts, labelCount } = targets.at(i);
        const found = names.lookupAlias(bytes, labelStarts, labelCount, wanted, query.question.type) & asked;
        if (found === 0) continue;
        asked &= ~found;
        const blocking = act(query, holder, found, current, bytes, length);
        if (blocking >= 0) return responder.block(query, facts[blocking]!.category);
      }
      return CONTINUE;
    }

    /** Count and record what was found of a name. Gives the list that blocks it, or -1. */
    function act(
      { dryRun: countsOnly }: Query,
      holder: number,
      found: number,
      { names }: LoadedLists,
      name: Uint8Array,
      nameLength: number,
    ): number {
      let blocking = -1;
      for (let list = 0; list < facts.length; list++) {
        if ((found & (1 << list)) === 0) continue;
        // A feed in the form of an RPZ may except a name from a wildcard of its own.
        if (names.matchOf(list) && names.action === ACTION_PASSTHRU) continue;
        if (countsOnly) counters[onlyCounted[list]!]! += 1;
        else counters[hits[list]!]! += 1;
        if ((dryRun & (1 << list)) !== 0) continue;
        if (!countsOnly) ring?.push(holder, list, namesMayBeKept() ? name : undefined, nameLength);
        if (blocking < 0 && (confirmed & (1 << list)) !== 0 && responder.actionFor(facts[list]!.category) !== undefined)
          blocking = list;
      }
      return blocking;
    }
  },
});

/** Wall-clock milliseconds; a ground that is only reviewed has no end. */
function endOf(of: Ground): number {
  return expiryMs(of) ?? Number.POSITIVE_INFINITY;
}
