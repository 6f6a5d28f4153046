/** For tests: parse text or bytes and get the rules as lines of text. */
import { prefixText } from '../../address/address.ts';
import { typeName } from '../../wire/constants.ts';
import { nameToText } from '../../wire/name.ts';
import { ACTION_ADBLOCK, ACTIONS, SUBTREE } from '../index/rules.ts';
import { createListParser, type ListFormat, type ListParserOptions, type ParseSummary } from './parser.ts';
import { ADDRESS_TRIGGER, type EntrySink } from './sink.ts';

const KINDS = ['', '=', '*', '+'];
const TRIGGERS = Object.fromEntries(Object.entries(ADDRESS_TRIGGER).map(([name, value]) => [value, name]));

export interface Collected extends ParseSummary {
  /** `=name action`, `*name …` (below), `+name …` (both); name servers and networks with their trigger before it. */
  readonly rules: string[];
  /** Names alone, sorted, each once. */
  readonly names: string[];
  /** `line:column reason` of what was rejected. */
  readonly bad: string[];
}

/** `cut`: bytes in a chunk; by default everything at once. */
export function collectEntries(
  format: ListFormat,
  input: string | Uint8Array,
  options: ListParserOptions = {},
  cut = Number.POSITIVE_INFINITY,
): Collected {
  const rules: string[] = [];
  const names = new Set<string>();
  const rule = (prefix: string, name: string, action: number, data: Uint8Array | undefined, line: number): void => {
    rules.push(
      `${line} ${prefix}${name} ${ACTIONS[action]}${data === undefined ? '' : ` ${action === ACTION_ADBLOCK ? hexText(data) : dataText(data)}`}`,
    );
  };
  const sink: EntrySink = {
    entry(name, length, kind, action, data, line) {
      const text = nameToText(name.slice(0, length));
      names.add(kind === SUBTREE ? `*.${text}` : text);
      rule(KINDS[kind] ?? '?', text, action, data, line);
    },
    nameServer(name, length, kind, action, data, line) {
      rule(`NSDNAME ${KINDS[kind]}`, nameToText(name.slice(0, length)), action, data, line);
    },
    network(trigger, words, bits, action, data, line) {
      rule(`${TRIGGERS[trigger]} `, prefixText({ words, bits }), action, data, line);
    },
  };
  const parser = createListParser(format, options, sink);
  const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
  for (let at = 0; at < bytes.length; at += cut) parser.feed(bytes.slice(at, Math.min(bytes.length, at + cut)));
  const summary = parser.end();
  return {
    ...summary,
    rules,
    names: [...names].sort(),
    bad: summary.rejectedLines.map(({ line, column, reason }) => `${line}:${column} ${reason}`),
  };
}

function dataText(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return `${typeName(view.getUint16(0))} ${view.getUint32(2)} ${hexText(data.subarray(6))}`;
}

function hexText(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
