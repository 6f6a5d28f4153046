/** What is stated of a ground on the command line; the server says which of it belongs to which ground. */
import type { Args } from './command.ts';
import type { CommonOption } from './options.ts';

export const STATEMENTS = [
  'effect',
  'evidence',
  'nothing-milder',
  'purpose',
  'necessity',
  'proportionality',
  'approver',
  'expires',
  'review',
] as const satisfies readonly CommonOption[];

/** Those that were given. */
export function statements({ options }: Args): Record<string, string> {
  return Object.fromEntries(STATEMENTS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
}

/** The ground as the API takes it; empty where nothing of one was stated. */
export function statedGround(args: Args): Record<string, string> {
  const kind = args.options['ground'];
  return { ...(kind !== undefined && { kind }), ...statements(args) };
}
