/** From a measure as it is kept to the one that packet threads compare queries with. */
import { getPublicSuffix } from 'tldts';
import { AddressError, isMapped, parsePrefix } from '../address/address.ts';
import { typeFromName } from '../wire/constants.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';
import { discreetMatch } from './discreet.ts';
import { ANY_NAME, BELOW, EXACT, type PublishedMeasure, SUBTREE } from './in-force.ts';
import { matchText, type Rule, type RuleMatch } from './rule.ts';

type Compiled = Pick<PublishedMeasure, 'name' | 'reach' | 'type' | 'source' | 'mask' | 'onSource'>;

/** Thrown by `compileMatch`; the message is a whole sentence. */
export class MatchError extends Error {}

/** Throws MatchError for what no measure may be on. */
export function compileMatch(match: RuleMatch): Compiled {
  const { name, pattern, domain, type, source } = match;
  const text = name ?? pattern?.replace(/^\*\./, '') ?? domain;
  const wire = text === undefined ? new Uint8Array(0) : wireName(text);
  if (text !== undefined && name === undefined && isPublicSuffix(wire))
    throw new MatchError(`'${text}' is a public suffix: names of many owners lie below it, so no measure may cover it`);
  if (text === undefined && source === undefined)
    throw new MatchError('a measure names a name, a zone or a source: a type alone is everybody');
  const number = type === undefined ? 0 : typeFromName(type);
  if (number === undefined) throw new MatchError(`'${type}' is no type`);
  return {
    name: wire,
    reach: name !== undefined ? EXACT : pattern !== undefined ? BELOW : domain !== undefined ? SUBTREE : ANY_NAME,
    type: number,
    ...sourceWords(source),
  };
}

/** What of a rule concerns packet threads. */
export type ListedRule = Pick<
  Rule,
  'id' | 'plugin' | 'match' | 'limitPerSecond' | 'dryRun' | 'ground' | 'endsAtMs' | 'reviewAtMs'
>;

/** `endsMs`: monotonic milliseconds. */
export function published(rule: ListedRule, endsMs: number, slot: number): PublishedMeasure {
  const { id, plugin, limitPerSecond, dryRun, ground, match } = rule;
  const untilMs = rule.endsAtMs ?? rule.reviewAtMs ?? Number.POSITIVE_INFINITY;
  const until = Number.isFinite(untilMs) ? `, until ${new Date(untilMs).toISOString()}` : '';
  const what = `measure ${id}${dryRun ? ' (dry run)' : ''} on ${matchText(discreetMatch(match))}`;
  const about = `${what}: ${limitPerSecond} a second pass; ground ${ground.kind}, approved by ${ground.approver}${until}`;
  return { plugin, ...compileMatch(match), limitPerSecond, dryRun, endsMs, slot, about };
}

function wireName(text: string): Uint8Array {
  try {
    return textToName(text.toLowerCase());
  } catch (error) {
    throw error instanceof NameError ? new MatchError(`'${text}' ${error.message}`) : error;
  }
}

function isPublicSuffix(wire: Uint8Array): boolean {
  const name = nameToText(wire);
  const options = { allowPrivateDomains: true, extractHostname: false, validateHostname: false, detectIp: false };
  return name === '.' || getPublicSuffix(name, options) === name;
}

function sourceWords(source: string | undefined): Pick<Compiled, 'source' | 'mask' | 'onSource'> {
  if (source === undefined) return { source: new Int32Array(4), mask: new Int32Array(4), onSource: false };
  try {
    const { words, bits } = parsePrefix(source);
    // A whole family is nobody's network.
    if (bits < (isMapped(words) ? 96 + 8 : 16)) throw new MatchError(`'${source}' is too wide for a measure`);
    const mask = Int32Array.from({ length: 4 }, (_, i) => {
      const own = Math.min(32, Math.max(0, bits - i * 32));
      return own === 0 ? 0 : -1 << (32 - own);
    });
    return { source: words.map((word, i) => word & mask[i]!), mask, onSource: true };
  } catch (error) {
    throw error instanceof AddressError ? new MatchError(`'${source}' ${error.message}`) : error;
  }
}
