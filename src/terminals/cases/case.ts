/** A case: terminals of one subscriber that one kind of malware was seen on, from the first report to the end. */
import { randomInt } from 'node:crypto';

export const CASE_STATES = ['new', 'notified', 'seen', 'fixed', 'wrong'] as const;
/**
 * - `new`: nobody was told. `notified`: the subscriber was told. `seen`: the code was checked in the portal.
 * - `fixed`: the subscriber, or the operator for them, says that it is done. `wrong`: it was no infection, or not theirs.
 */
export type CaseState = (typeof CASE_STATES)[number];

export interface Case {
  readonly code: string;
  readonly subscriber: string;
  /** What was seen (report-forms.ts, kindOf). */
  readonly kind: string;
  /** Who reported, in the order in which they did. */
  readonly sources: readonly string[];
  readonly firstMs: number;
  readonly lastMs: number;
  readonly reports: number;
  readonly state: CaseState;
  readonly openedMs: number;
  /** Notices so far: 1 is the first, each further one a reminder. */
  readonly notices: number;
  /** The last of them; 0 where there was none. */
  readonly noticedMs: number;
  /** It is over: fixed, wrong, or without a report for `terminals.ends-after`. 0 while it is not. */
  readonly closedMs: number;
}

/** What a subscriber can tell over the telephone: no 0, O, 1, I, L, U. */
const LETTERS = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const LETTERS_OF_A_CODE = 12;

/** About 59 bits of chance, as `XXXX-XXXX-XXXX`: nobody finds one by trying. */
export function newCode(random: (below: number) => number = (below) => randomInt(below)): string {
  const letters = Array.from({ length: LETTERS_OF_A_CODE }, () => LETTERS[random(LETTERS.length)]);
  return [0, 4, 8].map((at) => letters.slice(at, at + 4).join('')).join('-');
}

/** The code in what somebody typed or pasted: in any case, with blanks or dashes, full-width or not; undefined where there is none. */
export function codeIn(text: string): string | undefined {
  const plain = text
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\p{Pd}ー]/gu, '');
  if (plain.length !== LETTERS_OF_A_CODE || [...plain].some((letter) => !LETTERS.includes(letter))) return undefined;
  return [0, 4, 8].map((at) => plain.slice(at, at + 4)).join('-');
}
