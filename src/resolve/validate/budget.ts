/**
 * What one client query may make the validator do. Everything that it causes draws on the same budget, so that no zone can
 * buy more work with more records (KeyTrap, CVE-2023-50387; NSEC3 closest enclosers, CVE-2023-50868).
 *
 * Microseconds are those of the table in algorithms.ts, not of a clock: what is refused does not depend on the machine.
 */

/** What was exhausted. */
export type Exhausted = 'microseconds' | 'signatures' | 'hashes' | 'questions';

/** Each call takes something away and returns false, with `exhausted` set, where there is not enough. */
export interface ValidationBudget {
  readonly exhausted: Exhausted | undefined;
  /** One check of a signature, `micros` long. */
  signature(micros: number): boolean;
  /** `blocks` SHA-1 blocks of NSEC3: one a round and name. */
  hashes(blocks: number): boolean;
  /** One question for DS or DNSKEY that has to be sent. */
  question(): boolean;
}

export interface ValidationAllowance {
  /** Microseconds of signature checks and hashes. */
  readonly micros: number;
  readonly signatures: number;
  /** SHA-1 blocks. A name of 127 labels with 150 rounds takes 19 200. */
  readonly hashes: number;
  readonly questions: number;
}

export const VALIDATION_ALLOWANCE: ValidationAllowance = {
  micros: 100_000,
  signatures: 200,
  hashes: 40_000,
  questions: 64,
};

/** SHA-1 blocks hashed in a microsecond. */
const BLOCKS_A_MICRO = 3;

/** What was spent. */
export interface ValidationCost {
  readonly micros: number;
  readonly signatures: number;
  readonly hashes: number;
  readonly questions: number;
}

export class AllowedValidation implements ValidationBudget {
  exhausted: Exhausted | undefined;
  micros = 0;
  signatures = 0;
  #blocks = 0;
  questions = 0;
  readonly #allowance: ValidationAllowance;

  constructor(allowance: ValidationAllowance = VALIDATION_ALLOWANCE) {
    this.#allowance = allowance;
  }

  get cost(): ValidationCost {
    return { micros: this.micros, signatures: this.signatures, hashes: this.#blocks, questions: this.questions };
  }

  signature(micros: number): boolean {
    if (this.exhausted !== undefined) return false;
    if (this.signatures >= this.#allowance.signatures) return this.#refuse('signatures');
    if (this.micros + micros > this.#allowance.micros) return this.#refuse('microseconds');
    this.signatures++;
    this.micros += micros;
    return true;
  }

  hashes(blocks: number): boolean {
    if (this.exhausted !== undefined) return false;
    const micros = blocks / BLOCKS_A_MICRO;
    if (this.#blocks + blocks > this.#allowance.hashes) return this.#refuse('hashes');
    if (this.micros + micros > this.#allowance.micros) return this.#refuse('microseconds');
    this.#blocks += blocks;
    this.micros += micros;
    return true;
  }

  question(): boolean {
    if (this.exhausted !== undefined) return false;
    if (this.questions >= this.#allowance.questions) return this.#refuse('questions');
    this.questions++;
    return true;
  }

  #refuse(what: Exhausted): false {
    this.exhausted = what;
    return false;
  }
}
