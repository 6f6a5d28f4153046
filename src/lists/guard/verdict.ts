/**
 * May this version of a list replace the one in force? An ISP once loaded the wrong list and cut off 30 000
 * subscribers; everything here is about noticing that before, not after.
 */
import type { ParseSummary } from '../formats/parser.ts';
import type { Reason } from '../formats/rejects.ts';
import type { GuardOptions } from './options.ts';
import type { ListScan, Offenders } from './scan.ts';
import { type Overlap, overlapOf } from './sketch.ts';

export const GUARD_REASONS = [
  'not-a-list',
  'empty',
  'shrank',
  'grew',
  'overlap-too-small',
  'popular-name',
  'public-suffix',
  'wide-network',
] as const;

export type GuardReason = (typeof GUARD_REASONS)[number];

export interface Finding {
  readonly reason: GuardReason;
  /** A sentence with numbers, safe to show. */
  readonly message: string;
  /** Rules that offend, the first OFFENDERS_KEPT, safe to show. */
  readonly names: readonly string[];
}

/** Who lets a version in although the guard refused it. */
export interface GuardOverride {
  readonly approver: string;
  readonly reason: string;
  /** Wall-clock milliseconds. */
  readonly atMs: number;
}

export interface Verdict {
  readonly accepted: boolean;
  readonly findings: readonly Finding[];
  /** Names in the version in force; undefined: there is none. */
  readonly namesBefore: number | undefined;
  readonly names: number;
  /** How much of the version in force is still there; undefined where nobody can tell. */
  readonly overlap: Overlap | undefined;
  /** Set where the version is accepted in spite of the findings. */
  readonly override?: GuardOverride;
}

/** Thrown by `overridden`. */
export class OverrideError extends Error {}

/** Right by the letter, or of no use to a resolver: such lines do not make a file something other than a list. */
const ORDINARY_REASONS: ReadonlySet<Reason> = new Set<Reason>([
  'address',
  'url',
  'root',
  'single-label',
  'wildcard',
  'other-address',
  'cosmetic',
  'page-rule',
  'option',
  'option-client',
  'option-ctag',
  'option-dnsrewrite',
  'unsupported-type',
]);

/** Offending rules that stand in the sentence itself. */
const NAMES_SAID = 20;

export interface NewVersion {
  readonly parsed: ParseSummary;
  readonly scan: ListScan;
}

/** Judge `next` against the version in force, if there is one. */
export function judge(before: ListScan | undefined, next: NewVersion, options: GuardOptions): Verdict {
  const { parsed, scan } = next;
  const findings: Finding[] = [];
  const find = (reason: GuardReason, message: string, names: readonly string[] = []): void => {
    findings.push({ reason, message, names });
  };
  const overlap = before === undefined ? undefined : overlapOf(before.sketch, scan.sketch);
  const result = (): Verdict => ({
    accepted: findings.length === 0,
    findings,
    namesBefore: before?.names,
    names: scan.names,
    overlap,
  });

  const nonsense = notAList(parsed, options['max-bad-lines']);
  if (nonsense !== undefined) {
    find('not-a-list', nonsense);
    return result();
  }
  if (scan.names === 0) {
    find('empty', `The list holds no name${parsed.rejected > 0 ? `: ${rejections(parsed)}` : ''}.`);
    return result();
  }
  if (before !== undefined) {
    const change = scan.names - before.names;
    const most = (percent: number): number => Math.max(options.slack, (before.names * percent) / 100);
    if (-change > most(options['max-shrink'])) {
      find('shrank', sizeMessage('shrank', before.names, scan.names, options['max-shrink'], options.slack));
    }
    if (change > most(options['max-growth'])) {
      find('grew', sizeMessage('grew', before.names, scan.names, options['max-growth'], options.slack));
    }
    if (overlap !== undefined) {
      const lost = Math.round((1 - overlap.kept) * before.names);
      if (overlap.kept * 100 < options['min-overlap'] && lost > options.slack) {
        find(
          'overlap-too-small',
          `Only ${percentText(overlap)} of the ${before.names} names in force are in the new version (about ${lost} are gone); ${options['min-overlap']} % is the least.`,
        );
      }
    }
  }
  offending('popular-name', scan.popular, 'popular name', 'popular names');
  offending('public-suffix', scan.publicSuffixes, 'public suffix', 'public suffixes');
  offending(
    'wide-network',
    scan.wideNetworks,
    'network wider than /8 (IPv6: /16)',
    'networks wider than /8 (IPv6: /16)',
  );
  return result();

  function offending(reason: GuardReason, { count, first }: Offenders, one: string, several: string): void {
    if (count === 0) return;
    const more = count > NAMES_SAID ? ` and ${count - NAMES_SAID} more` : '';
    const said = first.slice(0, NAMES_SAID).join(', ');
    find(reason, `The new version takes ${count} ${count === 1 ? one : several}: ${said}${more}.`, first);
  }
}

/**
 * The verdict once somebody takes the responsibility. Throws OverrideError where there is nothing to override, where what
 * came is no list, or where approver or reason are missing.
 */
export function overridden(verdict: Verdict, override: GuardOverride): Verdict {
  if (verdict.accepted) throw new OverrideError('the guard did not refuse this version: there is nothing to override');
  if (verdict.findings.some((finding) => finding.reason === 'not-a-list'))
    throw new OverrideError('what came is no list: there is nothing that could be loaded');
  if (override.approver.trim() === '') throw new OverrideError('an override names who approves it');
  if (override.reason.trim() === '') throw new OverrideError('an override says why');
  return { ...verdict, accepted: true, override };
}

function notAList(parsed: ParseSummary, mostPercent: number): string | undefined {
  const { refusal } = parsed;
  if (refusal !== undefined) return `Line ${refusal.line}: ${refusal.message}.`;
  let bad = 0;
  for (const [reason, count] of Object.entries(parsed.reasons))
    if (!ORDINARY_REASONS.has(reason as Reason)) bad += count;
  const share = (100 * bad) / Math.max(1, bad + parsed.entries + parsed.filtered + parsed.skipped);
  if (bad === 0 || share <= mostPercent) return undefined;
  return `${bad} lines of ${parsed.lines} make no sense as ${parsed.format} (${rejections(parsed)}): this is no such list.`;
}

function rejections(parsed: ParseSummary): string {
  const reasons = Object.entries(parsed.reasons).sort(([, one], [, other]) => other - one);
  return `${parsed.rejected} rejected, ${reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')}`;
}

function sizeMessage(verb: 'shrank' | 'grew', before: number, now: number, percent: number, slack: number): string {
  const share = before === 0 ? '' : ` (${((100 * (now - before)) / before).toFixed(1)} %)`;
  return `The list ${verb} from ${before} to ${now} names${share}; ${percent} % or ${slack} names is the most.`;
}

function percentText({ kept, error }: Overlap): string {
  return `${(100 * kept).toFixed(1)}${error === 0 ? '' : ` ± ${(100 * error).toFixed(1)}`} %`;
}
