/** What the desk says of its rules as time goes on. */
import { type Entry, stateOf } from './entry.ts';

/** The part of a logger that is needed here. */
export interface DeskLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** `hits`: the rule's counter as it stands. A rule in force whose attack is over is proposed for lifting, once. */
export function sampleRate(entry: Entry, hits: number, nowMs: number, log: DeskLog): void {
  entry.monitor.sample(nowMs, hits);
  const proposal = stateOf(entry, nowMs) === 'in-force' ? entry.monitor.proposal() : undefined;
  if (proposal !== undefined && entry.proposal === undefined)
    log.warn({ rule: entry.name.text, why: proposal }, 'proposal: lift this sinkhole rule');
  entry.proposal = proposal;
}

/** Somebody has to hear of an end while there is time to look at it. */
export function announceEnd(entry: Entry, nowMs: number, log: DeskLog): void {
  if (entry.warned || nowMs < entry.warnMs || nowMs >= entry.endsMs) return;
  entry.warned = true;
  const { ground, name } = entry;
  if (ground.kind === 'legitimate-business')
    log.warn({ rule: name.text, review: ground.review }, 'a sinkhole rule is to be reviewed soon');
  else log.warn({ rule: name.text, expires: ground.expires }, 'a sinkhole rule ends soon');
}
