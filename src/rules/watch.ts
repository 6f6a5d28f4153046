/** What the desk says of its rules as time goes on. */
import { type Entry, stateOf } from './entry.ts';
import { subjectOf } from './rule.ts';

/** The part of a logger that is needed here. */
export interface RulesLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/**
 * `matched`: the rule's counter as it stands. A rule in force whose attack is over is proposed for lifting, once; a measure is
 * lifted by the server, so that nobody has to.
 */
export function sampleRate(entry: Entry, matched: number, nowMs: number, log: RulesLog): void {
  entry.monitor.sample(nowMs, matched);
  if (entry.recovery !== undefined) return;
  const proposal = stateOf(entry, nowMs) === 'in-force' ? entry.monitor.proposal() : undefined;
  const { plugin } = entry.rule;
  if (proposal !== undefined && entry.proposal === undefined)
    log.warn({ plugin, rule: subjectOf(entry.rule), why: proposal }, `proposal: lift this ${plugin} rule`);
  entry.proposal = proposal;
}

/** Somebody has to hear of an end while there is time to look at it. */
export function announceEnd(entry: Entry, nowMs: number, log: RulesLog): void {
  if (entry.warned || nowMs < entry.warnMs || nowMs >= entry.endsMs) return;
  entry.warned = true;
  const { ground, plugin, origin, id } = entry.rule;
  const what = origin === 'diagnosis' ? 'measure' : `${plugin} rule`;
  const fields = origin === 'diagnosis' ? { measure: id, plugin } : { plugin, rule: subjectOf(entry.rule) };
  if (ground.kind === 'legitimate-business')
    log.warn({ ...fields, review: ground.review }, `a ${what} is to be reviewed soon`);
  else log.warn({ ...fields, expires: ground.expires }, `a ${what} ends soon`);
}
