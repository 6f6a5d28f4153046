/** Who of a view's clients may ask: of the networks that hold the address, the most specific one decides. */
import {
  CONTINUE,
  DROP,
  PrefixSet,
  parsePrefix,
  REFUSE,
  type Verdict,
  type ViewFacts,
} from '../../src/contract/plugin.ts';

interface Step {
  readonly networks: PrefixSet;
  readonly verdict: Verdict;
}

/** No network of the view says anything: `server.access` decides. */
export const UNDECIDED = -1;

export class ViewAccess {
  /** Longest networks first; of one length each verdict stands once, and the networks of two verdicts are different ones. */
  readonly #steps: readonly Step[];
  readonly #others: number;

  /** `outsider`: what a client gets that none of the networks allows. */
  constructor({ allow, refuse, drop }: NonNullable<ViewFacts['access']>, outsider: Verdict) {
    const said: readonly [readonly string[], Verdict][] = [
      [drop, DROP],
      [refuse, REFUSE],
      [allow ?? [], CONTINUE],
    ];
    const all = said.flatMap(([networks, verdict]) => networks.map((text) => ({ prefix: parsePrefix(text), verdict })));
    const lengths = [...new Set(all.map(({ prefix }) => prefix.bits))].sort((one, other) => other - one);
    this.#steps = lengths.flatMap((bits) =>
      [DROP, REFUSE, CONTINUE].flatMap((verdict): Step[] => {
        const own = all.filter((one) => one.prefix.bits === bits && one.verdict === verdict);
        return own.length === 0
          ? []
          : [{ networks: new PrefixSet(own.map(({ prefix }) => prefix)), verdict: verdict as Verdict }];
      }),
    );
    this.#others = allow === undefined ? UNDECIDED : outsider;
  }

  /** The verdict about an address, or UNDECIDED. */
  decide(words: Int32Array): number {
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) if (steps[i]!.networks.has(words)) return steps[i]!.verdict;
    return this.#others;
  }
}
