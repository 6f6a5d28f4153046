/**
 * From what somebody asks for to a rule, or to everything that is wrong with it at once: at three in the morning nobody
 * wants to learn of five missing statements one after the other.
 */

import { issueText, type RuleDraft, readGround, type SekishoError, z } from '../../src/contract/plugin.ts';
import { sinkholeError } from './errors.ts';
import { type RuleName, RuleNameError, ruleName, suffixBelow } from './rule-name.ts';

export const PLUGIN = 'sinkhole';

const draftSchema = z.strictObject({
  name: z.string(),
  subtree: z.boolean().default(false),
  'dry-run': z.boolean().default(false),
  ground: z.record(z.string(), z.unknown()).default({}),
});

/** The rule that `body` asks for. Throws SekishoError SEKISHO_SINKHOLE_REFUSED with every problem. */
export function readDraft(body: unknown, wallMs: number): RuleDraft {
  const problems: string[] = [];
  const parsed = draftSchema.safeParse(body);
  if (!parsed.success) for (const issue of parsed.error.issues) problems.push(issueText(issue, undefined));
  const given = (body ?? {}) as Record<string, unknown>;
  const name = typeof given['name'] === 'string' ? checkedName(given['name'], problems) : undefined;
  const suffix = name && given['subtree'] === true ? suffixBelow(name) : undefined;
  if (suffix !== undefined)
    problems.push(`subtree: public suffixes lie below '${name?.text}', such as '${suffix}': names of many owners`);
  const stated = readGround(given['ground'], wallMs, problems);
  if (problems.length > 0 || !parsed.success || !name || !stated) throw refused('no rule was added', problems);
  const match = parsed.data.subtree ? { domain: name.text } : { name: name.text };
  return { plugin: PLUGIN, match, dryRun: parsed.data['dry-run'], ...stated };
}

export function refused(what: string, found: readonly string[]): SekishoError {
  const problems = [...new Set(found)];
  const count = problems.length === 1 ? problems[0] : `${problems.length} problems`;
  return sinkholeError('SEKISHO_SINKHOLE_REFUSED', `${what}: ${count}`, {
    details: problems.length > 1 ? problems : [],
  });
}

function checkedName(text: string, problems: string[]): RuleName | undefined {
  try {
    return ruleName(text);
  } catch (error) {
    if (!(error instanceof RuleNameError)) throw error;
    problems.push(`name: '${text.slice(0, 80)}' ${error.message}`);
    return undefined;
  }
}
