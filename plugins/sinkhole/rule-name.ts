/**
 * The name of a rule: as people write it, as it is asked for on the wire, and which names no rule may have.
 */

import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { getPublicSuffix } from 'tldts';
import { type Ground, NameError, nameToText, publicSuffixRules, textToName } from '../../src/contract/plugin.ts';

export interface RuleName {
  /** Lower case, A-labels, without the final dot. */
  readonly text: string;
  /** Wire form, lower case. */
  readonly wire: Uint8Array;
}

/** A rule that stands in the configuration. */
export interface ConfigurationRule {
  readonly name: RuleName;
  readonly ground: Ground;
  readonly dryRun: boolean;
  /** From 1. */
  readonly place: number;
}

/** Thrown by `ruleName`; the message goes on after the name: "'com' is a public suffix: …". */
export class RuleNameError extends Error {}

/** Long enough for any name with escapes; what is longer is not even looked at. */
const MAX_TEXT = 1100;

/** The name of a rule from text. Throws RuleNameError where no rule may have it. */
export function ruleName(given: string): RuleName {
  const text = given.trim();
  if (text.length > MAX_TEXT) throw new RuleNameError('is longer than any name can be');
  if (isIP(text)) throw new RuleNameError('is an address; a rule is on the name that is looked up');
  const ascii = aLabels(text);
  const odd = /[^A-Za-z0-9_.\-\\*]/.exec(ascii.replaceAll(/\\\d{3}|\\./g, ''))?.[0];
  if (odd !== undefined) throw new RuleNameError(`holds '${odd}', which no host's name has; write the bare name`);
  let wire: Uint8Array;
  try {
    wire = textToName(ascii);
  } catch (error) {
    throw error instanceof NameError ? new RuleNameError(error.message) : error;
  }
  const name = nameToText(wire);
  if (name.startsWith('*.')) throw new RuleNameError(`is a wildcard; write '${name.slice(2)}' with its subtree`);
  // A rule on a public suffix would discard what belongs to many who are not attacked.
  if (name === '.' || suffixOf(name) === name)
    throw new RuleNameError('is a public suffix: names of many owners lie below it, so no rule may name it');
  return { text: name, wire };
}

/**
 * A public suffix below the name, as an example: under `amazonaws.com` lie suffixes of which each has customers of its own,
 * so that a rule on everything below would discard what belongs to many. Undefined where there is none.
 */
export function suffixBelow({ wire }: RuleName): string | undefined {
  let found: string | undefined;
  const look = (bytes: Uint8Array, at: number, nearest: number): void => {
    const from = bytes.length - wire.length;
    if (found !== undefined || from - at < nearest) return;
    let label = at;
    while (label < from) label += bytes[label]! + 1;
    if (label === from && wire.every((byte, i) => bytes[from + i] === byte)) found = nameToText(bytes.slice(at));
  };
  publicSuffixRules()?.visit({
    suffix: (bytes, at) => look(bytes, at, 1),
    // `*.name`: every name right below it.
    wildcardParent: (bytes, at) => look(bytes, at, 0),
  });
  return found;
}

/** The public suffix, those that companies give names under (github.io) included; a top-level name is always one. */
function suffixOf(name: string): string | null {
  return getPublicSuffix(name, {
    allowPrivateDomains: true,
    extractHostname: false,
    validateHostname: false,
    detectIp: false,
  });
}

/** A name beyond ASCII in the form that is asked for on the wire (RFC 5891). */
function aLabels(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  const ascii = domainToASCII(text);
  if (ascii === '') throw new RuleNameError('is no internationalised name that can be written in A-labels (RFC 5891)');
  return ascii;
}
