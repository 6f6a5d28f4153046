/**
 * Options that several commands take: the same word means the same everywhere. A command adds its own beside them.
 */
import type { OptionDeclaration, Options } from './command.ts';

export const COMMON_OPTIONS = {
  ground: {
    value: 'G',
    meaning: 'self-defence (正当防衛), necessity (緊急避難) or legitimate-business (正当業務行為)',
  },
  effect: { value: 'TEXT', meaning: 'what the attack does, to which of your own facilities' },
  evidence: { value: 'TEXT', meaning: 'what shows it: ticket, graph, log' },
  'nothing-milder': { value: 'TEXT', meaning: 'necessity: why nothing milder works (補充性)' },
  purpose: { value: 'TEXT', meaning: 'legitimate-business: the purpose (目的の正当性)' },
  necessity: { value: 'TEXT', meaning: 'legitimate-business: why the act is necessary (行為の必要性)' },
  proportionality: {
    value: 'TEXT',
    meaning: 'legitimate-business: why the means are proportionate (手段の相当性)',
  },
  approver: { value: 'WHO', meaning: 'who takes the responsibility; recorded' },
  expires: {
    value: 'WHEN',
    meaning:
      'when it ends by itself: 2h, 3d, 2026-12-31 or an instant with its zone; an emergency ground lasts at most 7d',
  },
  review: { value: 'WHEN', meaning: 'legitimate-business: when it is reviewed, at most 366d ahead' },
  subtree: { meaning: 'the name and everything below it; otherwise exactly the name' },
  'dry-run': { meaning: 'only count what the rule would hit' },
  reason: { value: 'TEXT', meaning: 'why, in a sentence; recorded' },
  window: { value: 'SPAN', meaning: 'how far back: 5m, 1h, 7d' },
} as const satisfies Options;

export type CommonOption = keyof typeof COMMON_OPTIONS;

/** Some of the options above. */
export function pick<Name extends CommonOption>(...names: readonly Name[]): Record<Name, OptionDeclaration> {
  const entries: (readonly [Name, OptionDeclaration])[] = names.map((name) => [name, COMMON_OPTIONS[name]]);
  return Object.fromEntries(entries) as Record<Name, OptionDeclaration>;
}

/** Options of every command. */
export const GENERAL_OPTIONS = {
  config: {
    value: 'F',
    meaning: 'configuration file; default ./sekisho.yaml, then /etc/sekisho/sekisho.yaml, then the built-in defaults',
  },
  json: { meaning: 'machine-readable output' },
} as const satisfies Options;
