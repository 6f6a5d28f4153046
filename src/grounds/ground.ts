/**
 * The grounds on which an operator may read or alter a subscriber's query (違法性阻却事由 / 同意), and what each needs
 * before Sekisho acts. The terms are those of the guideline 「電気通信事業者におけるサイバー攻撃等への対処と通信の秘密に
 * 関するガイドライン」, Art. 3–5.
 *
 * Sekisho checks that the ground is stated in full. Whether it holds is the operator's judgement.
 */
import { z } from 'zod';
import { LEAST_CHARACTERS, nameProblem, statementProblem } from './statement.ts';

const statement = (what: string) =>
  z
    .string()
    .trim()
    .min(LEAST_CHARACTERS, `say it in a sentence: ${what}`)
    .superRefine((text, context) => {
      const problem = text.length < LEAST_CHARACTERS ? undefined : statementProblem(text);
      if (problem !== undefined)
        context.addIssue({ code: 'custom', message: `'${text.slice(0, 40)}' ${problem}; say in a sentence: ${what}` });
    })
    .describe(`${what[0]?.toUpperCase()}${what.slice(1)}.`);
const approver = z
  .string()
  .trim()
  .min(1)
  .superRefine((text, context) => {
    const problem = text === '' ? undefined : nameProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `'${text.slice(0, 40)}' ${problem}` });
  })
  .describe('Who approved the measure.');

/** `2026-12-31` (the end of that day, UTC) or a full ISO 8601 instant with its zone. */
const instant = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/,
    'write a date (2026-12-31) or an instant with its zone (2026-12-31T18:00:00+09:00)',
  )
  .refine((text) => Number.isFinite(instantMs(text)), 'there is no such date');

/** 正当防衛 (Penal Code Art. 36): the operator's own facility is under attack. */
export const selfDefence = z.strictObject({
  kind: z.literal('self-defence').describe('正当防衛.'),
  effect: statement("what the attack does to which of the operator's own facilities"),
  evidence: statement('what shows the attack: ticket, graph, log'),
  approver,
  expires: instant.describe('When the measure ends by itself.'),
});

/** 緊急避難 (Penal Code Art. 37): a present danger that nothing milder averts (補充性). */
export const necessity = z.strictObject({
  kind: z.literal('necessity').describe('緊急避難.'),
  effect: statement('the present danger, and to what'),
  evidence: statement('what shows the danger: ticket, graph, log'),
  'nothing-milder': statement('why nothing milder works (補充性)'),
  approver,
  expires: instant.describe('When the measure ends by itself.'),
});

/** 正当業務行為 (Penal Code Art. 35): needed to run the service, for a proper purpose and by proportionate means. */
export const legitimateBusiness = z.strictObject({
  kind: z.literal('legitimate-business').describe('正当業務行為.'),
  purpose: statement('the purpose (目的の正当性)'),
  necessity: statement('why the act is necessary (行為の必要性)'),
  proportionality: statement('why the means are proportionate (手段の相当性)'),
  approver,
  review: instant.describe('When the measure has to be reviewed.'),
});

/** Grounds that a rule of the operator's own may carry; consent belongs to lists and subscribers. */
export const ground = z.discriminatedUnion('kind', [selfDefence, necessity, legitimateBusiness]);
/**
 * `ended`: since when its end is on record in the data folder (src/process/configured-grounds.ts), so that it has ended whatever the
 * clock says. Nobody states this; the server puts it there.
 */
export type Ground = z.infer<typeof ground> & { ended?: string };

/** Japanese terms, for people. */
export const GROUND_TERMS: Readonly<Record<Ground['kind'], string>> = {
  'self-defence': '正当防衛',
  necessity: '緊急避難',
  'legitimate-business': '正当業務行為',
};

/** When a measure on this ground ends by itself, in wall-clock milliseconds; undefined where it is only reviewed. */
export function expiryMs(of: Ground): number | undefined {
  if (of.ended !== undefined) return 0;
  return of.kind === 'legitimate-business' ? undefined : instantMs(of.expires);
}

/** Wall-clock milliseconds of a date or instant as the schema takes it; NaN where there is no such date. */
export function instantMs(text: string): number {
  const date = /^(\d{4})-(\d{2})-(\d{2})/.exec(text);
  // Date rolls 30 February over into March; a measure must end on the day that was written.
  if (!date || new Date(`${date[0]}T00:00:00Z`).getUTCDate() !== Number(date[3])) return Number.NaN;
  return Date.parse(text.length === 10 ? `${text}T23:59:59Z` : text);
}
