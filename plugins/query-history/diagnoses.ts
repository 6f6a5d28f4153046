/**
 * Diagnoses that were made a short while ago, so that a proposal can be put in force as it was shown: made anew, the second of
 * the list might be another one. In memory only, bounded, and for half an hour: what is older is no evidence of now.
 */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../../src/contract/plugin.ts';
import type { Diagnosis } from './diagnosis.ts';
import { historyError } from './errors.ts';
import type { Overload } from './overload.ts';

export interface KeptDiagnosis {
  readonly id: string;
  readonly who: string;
  readonly madeMs: number;
  readonly wallMs: number;
  readonly diagnosis: Diagnosis;
  readonly overload: Overload;
}

const KEPT = 32;
const KEEP_MS = 30 * 60_000;

export class Diagnoses {
  readonly #kept: KeptDiagnosis[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(who: string, diagnosis: Diagnosis, overload: Overload): KeptDiagnosis {
    const kept = {
      id: `d${randomBytes(4).toString('hex')}`,
      who,
      madeMs: this.#clock.nowMs(),
      wallMs: this.#clock.wallMs(),
      diagnosis,
      overload,
    };
    this.#kept.unshift(kept);
    this.#kept.splice(KEPT);
    return kept;
  }

  /** The one of that id, or, without one, the last that `who` made. Throws SekishoError. */
  find(who: string, id: string | undefined): KeptDiagnosis {
    const fresh = this.#kept.filter(({ madeMs }) => this.#clock.nowMs() - madeMs < KEEP_MS);
    const found = fresh.find((kept) => (id === undefined ? kept.who === who : kept.id === id));
    if (found) return found;
    const which = id === undefined ? 'you have made no diagnosis' : `there is no diagnosis '${id.slice(0, 20)}'`;
    throw historyError('SEKISHO_DIAGNOSIS_UNKNOWN', `${which} in the last half hour: diagnose again`);
  }
}
