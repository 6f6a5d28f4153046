/**
 * What of the two marginals leaves the server together. Names are exact; sources are coarse, so that nobody puts the two
 * together again by comparing numbers (docs/history-privacy.md has the argument and its limit).
 *
 * - **Dominant**: a source that makes at least a quarter of the load is shown, with its share rounded down to quarters: whoever makes so much
 *   of the load has to be found, and what is asked so often is his whatever is hidden.
 * - **Many**: over a quarter of an hour or more a network is shown where at least MIN_LINES lines asked; without a number, in the order
 *   of addresses.
 * - **Single addresses** never stand beside names. They are shown in place of them, dominant ones alone, while an overload is
 *   *detected*, or where a second person approves.
 */
import { networkAround } from '../../src/net/network-around.ts';
import type { Cause } from './causes.ts';
import type { Kind, NAME_KINDS } from './layout.ts';
import type { DiagnosisReport, HistoryEntry, HistoryReport } from './reading.ts';
import type { Part } from './rise.ts';

/** Shares of sources are told in such steps, and none below the first. */
export const STEP = 0.25;
/** Lines (an IPv4 address, an IPv6 /56) that a network must have had, to be shown without being dominant. */
export const MIN_LINES = 5;
/** Shorter windows show dominant networks alone: who comes and goes in them could be compared with what comes and goes. */
export const LEAST_WINDOW_SECONDS = 15 * 60;
/** Down to a whole number of quarters; 0 for what is not dominant. */
export function banded(share: number): number {
  return Math.floor(Math.min(1, Math.max(0, share)) / STEP + 1e-9) * STEP;
}

/** To one digit, upwards: numbers about a source are no fingerprint. */
export function roundedRate(perSecond: number): number {
  if (perSecond <= 0) return 0;
  const digit = 10 ** Math.floor(Math.log10(perSecond));
  return Math.ceil(perSecond / digit) * digit;
}

/** `addresses`: single ones may be shown. */
export function disclosedDiagnosis(report: DiagnosisReport, addresses: boolean): DiagnosisReport {
  const { explains, rate } = report;
  const [first] = report.causes;
  // One or the other: where the likeliest cause is a source, names are left out for it.
  const single = addresses && first?.side === 'sources';
  const named = (kind: (typeof NAME_KINDS)[number]) => (single ? [] : explains[kind]);
  const dominant = (parts: readonly Part[]) =>
    parts.flatMap((part): Part[] => {
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
  return {
    ...report,
    explains: {
      ...explains,
      name: named('name'),
      domain: named('domain'),
      pattern: named('pattern'),
      network: dominant(explains.network),
      address: single ? dominant(explains.address) : [],
    },
    causes: report.causes.flatMap((cause): Cause[] => {
      if (single && cause.side === 'names') return [];
      if (single || cause.side !== 'sources') return [cause];
      return [{ ...cause, ...cause.discreet, about: networkAround(cause.about) }];
    }),
    proposals: report.proposals.map((proposal) => {
      const { source } = proposal.match;
      if (source === undefined) return proposal;
      const shown = single
        ? proposal
        : {
            ...proposal,
            match: { ...proposal.match, source: networkAround(source) },
            text: proposal.text.replaceAll(source, `one client in ${networkAround(source)}`),
          };
      return { ...shown, removes: banded(shown.removes) };
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
  const first = dominant(tops.network);
  const others = many
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
