/**
 * Whether a version of a list that passed this node's guard may come into force, where several nodes share their lists: one version, by its
 * content, for all of them; one node first, then the rest; what one refuses, takes back or lets in by override holds for all.
 */
import type { Responsible } from './desk-list.ts';

export interface OfferedVersion {
  readonly list: string;
  /** Of its content. */
  readonly sha256: string;
  readonly names: number;
}

export interface ListGate {
  /** Undefined: it may. Else why it is held back, as a sentence. Never rejects: who cannot be asked lets nothing new in. */
  ask(version: OfferedVersion): Promise<string | undefined>;
  /** This node's guard refused it: no other lets it in, either. Never rejects. */
  refused(version: OfferedVersion, findings: string): Promise<void>;
  /** Somebody is responsible for letting it in, everywhere. Rejects where that cannot be recorded. */
  overridden(version: OfferedVersion, responsible: Responsible): Promise<void>;
  /** Somebody takes `sha256` back, everywhere. Rejects where that cannot be recorded. */
  takenBack(list: string, sha256: string, responsible: Responsible): Promise<void>;
  /** What the others have decided of versions that this node has, or undefined where nothing. Rejects where they cannot be asked. */
  decided(list: string, sha256: string): Promise<Decision | undefined>;
  /** Called when something may have been decided. Returns what ends it. */
  follow(decide: () => void): () => void;
}

/** `released`: it may come into force. `taken-back`: it may not stay in force. */
export interface Decision {
  readonly state: 'offered' | 'canary' | 'released' | 'refused' | 'taken-back';
  readonly who: string;
  readonly why: string;
}
