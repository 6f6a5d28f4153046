/**
 * What of the two marginals leaves the server together. Names are exact; sources are coarse, so that nobody puts the two
 * together again by comparing numbers (docs/history-privacy.md has the argument and its limit).
 *
 * - **Beside names** stand networks of at least MIN_LINES lines alone: those that make a quarter of the load, with their share rounded down
 *   to quarters; over a quarter of an hour and more also the others, without a number, in the order of addresses.
 * - **Single addresses**, and networks of fewer lines, which are no better, never stand beside names. They are shown in place of
 *   names, those that make a quarter of the load, while an overload is *detected* or where a second person approves.
 */
import { addressWords, parsePrefix, prefixContains } from '../../src/contract/plugin.ts';
import type { Cause } from './cause.ts';
import type { Kind, NAME_KINDS } from './layout.ts';
import type { DiagnosisReport, HistoryEntry, HistoryReport, ShownProposal } from './report-shapes.ts';
import type { Part } from './rise.ts';
import { banded, MIN_LINES, roundedRate } from './rounding.ts';

/** Shorter windows show dominant networks alone: who comes and goes in them could be compared with what comes and goes. */
export const LEAST_WINDOW_SECONDS = 15 * 60;
/** `addresses`: single ones may be shown. */
export function disclosedDiagnosis(report: DiagnosisReport, addresses: boolean): DiagnosisReport {
  const { explains, rate } = report;
  const [first] = report.causes;
  /** The network of many lines that holds `source`; empty where there is none. */
  const manyLines = (source: string): string => {
    // Many users behind one address: whose it is, is not said.
    if (source === '') return '';
    const words = addressWords(source);
    const network = explains.network.find(
      ({ key, lines = 0 }) => lines >= MIN_LINES && prefixContains(parsePrefix(key), words),
    );
    return network?.key ?? '';
  };
  // One or the other: where the likeliest cause is a source, names are left out for it.
  const single = addresses && first?.side === 'sources';
  const named = (kind: (typeof NAME_KINDS)[number]) => (single ? [] : explains[kind]);
  const dominant = (parts: readonly Part[], leastLines: number) =>
    parts.flatMap((part): Part[] => {
      if ((part.lines ?? 0) < leastLines) return [];
      const load = banded(part.now / Math.max(1e-9, rate.now));
      const share = banded(part.share);
      if (load === 0 && share === 0) return [];
      return [
        {
          key: part.key,
          now: load * rate.now,
          normal: banded(part.normal / Math.max(1e-9, rate.normal)) * rate.normal,
          share,
        },
      ];
    });
  /** A cause as it may be told; empty where it may not. */
  const told = (cause: Cause): Cause[] => {
    if (single && cause.side === 'names') return [];
    if (single || cause.side !== 'sources') return [cause];
    const around = manyLines(cause.about);
    const { text, signs } = around === '' ? cause.nameless : cause.discreet;
    return [{ ...cause, text, signs, about: around }];
  };
  return {
    ...report,
    explains: {
      ...explains,
      name: named('name'),
      domain: named('domain'),
      pattern: named('pattern'),
      network: dominant(explains.network, single ? 0 : MIN_LINES),
      address: single ? dominant(explains.address, 0) : [],
    },
    causes: report.causes.flatMap(told),
    incidents: report.incidents.flatMap(({ cause, share }) =>
      told(cause).map((shown) => ({ cause: shown, share: cause.side === 'sources' ? banded(share) : share })),
    ),
    proposals: report.proposals.flatMap((given): ShownProposal[] => {
      const { source } = given.match;
      if (source === undefined) return single ? [] : [given];
      const { matchedPerSecond, limitedPerSecond, seconds } = given.trial;
      const trial = {
        seconds,
        matchedPerSecond: roundedRate(matchedPerSecond),
        limitedPerSecond: roundedRate(limitedPerSecond),
      };
      const proposal = { ...given, trial };
      if (single) return [{ ...proposal, removes: banded(proposal.removes) }];
      const around = manyLines(source);
      const who = around === '' ? 'one client (--approver WHO shows which)' : `one client in ${around}`;
      const match = { ...proposal.match, source: around === '' ? 'one client' : around };
      return [{ ...proposal, match, text: proposal.text.replaceAll(source, who), removes: banded(proposal.removes) }];
    }),
  };
}

/** `addresses`: single ones were asked for and may be shown; names are left out then. */
export function disclosedHistory(report: HistoryReport, addresses: boolean): HistoryReport {
  const { tops, window, rate, normal } = report;
  const total = rate * Math.max(1, window.seconds);
  const dominant = (entries: readonly HistoryEntry[]) =>
    entries.flatMap((entry): HistoryEntry[] => {
      const share = banded((entry.queries ?? 0) / Math.max(1, total));
      if (share === 0) return [];
      const usual = banded(entry.normal / Math.max(1e-9, normal)) * normal;
      return [
        {
          key: entry.key,
          queries: Math.round(share * total),
          rate: share * rate,
          normal: usual,
          distinct: 0,
          counted: {},
        },
      ];
    });
  const named = <K extends Kind>(kind: K) => (addresses ? [] : tops[kind]);
  const many =
    window.seconds >= LEAST_WINDOW_SECONDS - 60 ? tops.network.filter(({ distinct }) => distinct >= MIN_LINES) : [];
  const first = addresses
    ? dominant(tops.network)
    : dominant(tops.network.filter(({ distinct }) => distinct >= MIN_LINES));
  const others = addresses
    ? []
    : many
        .filter(({ key }) => !first.some((entry) => entry.key === key))
        .map(({ key }): HistoryEntry => ({ key, queries: null, rate: 0, normal: 0, distinct: 0, counted: {} }))
        .sort((one, other) => (one.key < other.key ? -1 : 1));
  return {
    ...report,
    tops: {
      name: named('name'),
      domain: named('domain'),
      pattern: named('pattern'),
      network: [...first, ...others],
      address: addresses ? dominant(tops.address) : [],
    },
  };
}
