/** A cause as it is told to people, and the kinds that there are. */

export const CAUSES = [
  'random-subdomain',
  'amplification',
  'broken-client',
  'popular-event',
  'dead-upstream',
  'failing-authority',
  'retry-storm',
  'tcp-flood',
  'reflected-responses',
  'generated-domains',
  'rotating-subdomains',
  'tunnel',
  'shared-address',
  'slow-upstream',
  'lossy-upstream',
  'restart',
  'configuration-change',
  'list-change',
  'own-limits',
  'more-of-everything',
  'unexplained',
  'nothing-unusual',
] as const;
export type CauseName = (typeof CAUSES)[number];

export interface Cause {
  readonly cause: CauseName;
  /** For people, one or two sentences. */
  readonly text: string;
  /** 0–1: how much of what is unusual its signs cover. */
  readonly score: number;
  /** What was seen. */
  readonly signs: readonly string[];
  /** Share of the rise that is its own, where more than what `about` names; 0–1. */
  readonly covers?: number;
  /** The zone, name, type or source that it is about; empty where it is about none. */
  readonly about: string;
  /** Which of the two marginals its words are made of: never both. */
  readonly side: 'names' | 'sources' | 'neither';
  /** The same without a single address: for records, and for whoever may see none. */
  readonly discreet: Words;
  /** The same without even the network. */
  readonly nameless: Words;
}

export interface Words {
  readonly text: string;
  readonly signs: readonly string[];
}

/** A cause whose words hold no address, and so can be kept as they are. */
export function ofNames(cause: Omit<Cause, 'side' | 'discreet' | 'nameless'>): Cause {
  const words = { text: cause.text, signs: cause.signs };
  return { ...cause, side: cause.about === '' ? 'neither' : 'names', discreet: words, nameless: words };
}

export const percent = (share: number) => `${Math.round(Math.min(1, Math.max(0, share)) * 100)} %`;
