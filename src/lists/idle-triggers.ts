/**
 * Rules that a list holds and nothing carries out: lists of category c2 and malware act on names alone, because consent is
 * to the look-up of listed names. A policy zone among them may have triggers on addresses and name servers (RPZ-IP, …).
 */
import { CONSENT_PURPOSES } from '../grounds/categories.ts';
import { ADDRESS_TRIGGER, type AddressTrigger, type EntrySink } from './formats/sink.ts';
import type { ListConfig } from './list-config.ts';

/** Rules by trigger, as RPZ names it; triggers on names are left out. */
export type TriggerCounts = Readonly<Partial<Record<string, number>>>;

const NAME_SERVER = 'rpz-nsdname';
const NAMES: Readonly<Record<AddressTrigger, string>> = {
  [ADDRESS_TRIGGER.CLIENT_IP]: 'rpz-client-ip',
  [ADDRESS_TRIGGER.IP]: 'rpz-ip',
  [ADDRESS_TRIGGER.NSIP]: 'rpz-nsip',
};

export class TriggerCounter {
  readonly #counts: Record<string, number> = {};

  network(trigger: AddressTrigger): void {
    this.#add(NAMES[trigger]);
  }

  nameServer(): void {
    this.#add(NAME_SERVER);
  }

  get counts(): TriggerCounts {
    return { ...this.#counts };
  }

  #add(name: string): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }
}

/** Takes a list's entries for nothing but this count. */
export function countingSink(counter: TriggerCounter): EntrySink {
  return { entry() {}, nameServer: () => counter.nameServer(), network: (trigger) => counter.network(trigger) };
}

/** What to say about rules of the list that cannot act, and what to do; undefined where there are none. */
export function idleTriggersText(
  { category }: Pick<ListConfig, 'category'>,
  counts: TriggerCounts,
): string | undefined {
  if (CONSENT_PURPOSES[category] === undefined) return undefined;
  const said = Object.entries(counts).map(([trigger, count]) => `${trigger} ${count}`);
  if (said.length === 0) return undefined;
  return `rules that cannot act: ${said.join(', ')}; lists of category ${category} act on names alone. Take these rules into a list of category policy with a ground of its own, or out of the list.`;
}
