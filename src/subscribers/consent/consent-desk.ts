/**
 * What the admin API does with consents: every change goes into the ledger before it is acknowledged, and so does every look
 * at what is kept of a subscriber.
 */
import type { SekishoError } from '../../errors/errors.ts';
import { NO_TERMS, subscribersError } from '../errors.ts';
import type { SubscriberState } from '../state.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';
import type { ConsentState } from './consent.ts';
import { type Beside, entriesOf, type LedgerEntry, type LedgerRecord } from './ledger-store.ts';
import type { Notice, NoticeName } from './notice-store.ts';
import { isPurpose, PURPOSES, type Purpose } from './purposes.ts';

/** Who acts, over what, and why. */
export interface Actor {
  readonly who: string;
  readonly channel: string;
  readonly reason: string;
}

export interface SubscriberConsent {
  readonly subscriber: string;
  /** Seen in a range, a lease or the ledger since the start. */
  readonly known: boolean;
  readonly terms: string | undefined;
  /** False: a withdrawal acts, and is not on the disk yet. */
  readonly durable: boolean;
  readonly purposes: readonly {
    readonly purpose: Purpose;
    readonly state: ConsentState;
    readonly inspected: boolean;
  }[];
}

/** Everything that is kept of a subscriber. */
export interface SubscriberRecord {
  readonly consent: SubscriberConsent;
  readonly history: LedgerEntry[];
  readonly notices: Notice[];
  /** Names beside them, where they are kept on a ground. */
  readonly names: NoticeName[];
}

/** Row of an import: subscriber, purpose, what was said, and under which terms where they are not those in force. */
export type ImportRow = readonly [subscriber: string, purpose: string, action: string, terms?: string];

export class ConsentDesk {
  readonly #state: SubscriberState;

  constructor(state: SubscriberState) {
    this.#state = state;
  }

  /**
   * Resolves when the change is on the disk and acts in every worker. `beside`: what goes to the disk with it. A withdrawal that cannot be written acts anyway, says
   * so (`durable`) and is retried; any other change throws SekishoError then, and does not act.
   */
  async change(
    subscriber: string,
    purpose: Purpose,
    action: 'opt-out' | 'opt-in',
    actor: Actor,
    beside?: Beside,
  ): Promise<SubscriberConsent> {
    const { register, consent } = this.#state;
    individual(subscriber);
    const terms = register.terms.version;
    if (action === 'opt-in' && terms === undefined) throw refused(NO_TERMS);
    if (action === 'opt-out') register.withdrawAtOnce(subscriber, purpose);
    const record: LedgerRecord = { subscriber, purpose, action, terms: terms ?? '', ...actor };
    // What was withdrawn before and is still owed must not come behind this in the ledger.
    if (action === 'opt-in' && consent.owed.has(subscriber) && !(await consent.owed.settle()))
      throw subscribersError('SEKISHO_LEDGER_FAILED', 'not recorded: an earlier withdrawal is not on the disk yet');
    try {
      await consent.append([record], beside && { beside });
    } catch (error) {
      if (action !== 'opt-out' || !consent.owe([record], error)) throw error;
    }
    return this.#consentOf(subscriber);
  }

  /** The look itself is recorded. */
  async show(subscriber: string, actor: Actor): Promise<SubscriberConsent> {
    await this.#recordLook(subscriber, 'shown', actor);
    return this.#consentOf(subscriber);
  }

  /** Everything that is kept of a subscriber, for the subscriber's own request. */
  async export(subscriber: string, actor: Actor): Promise<SubscriberRecord> {
    await this.#recordLook(subscriber, 'exported', actor);
    return this.#recordOf(subscriber);
  }

  /**
   * The same, for a subscriber who looks at the own page. `again`: it belongs to a look that was recorded shortly before, so
   * that turning a page over and over does not fill the ledger.
   */
  async showOwn(subscriber: string, again: boolean, actor: Actor): Promise<SubscriberRecord> {
    individual(subscriber);
    if (!again) await this.#recordLook(subscriber, 'shown', actor);
    return this.#recordOf(subscriber);
  }

  async #recordOf(subscriber: string): Promise<SubscriberRecord> {
    const { ledger, notices } = this.#state;
    return {
      consent: this.#consentOf(subscriber),
      history: await entriesOf(ledger, { subscriber }),
      notices: await notices.list(subscriber),
      names: await notices.names(subscriber),
    };
  }

  /**
   * Rows `from` on of the import `id`. What was recorded before is left out, so that an import that broke off is begun
   * again without harm. Resolves with how many rows are done and what is wrong with those that were left out.
   */
  async import(
    id: string,
    from: number,
    rows: readonly ImportRow[],
    actor: Actor,
  ): Promise<{ rows: number; problems: { row: number; problem: string }[] }> {
    const { consent, register } = this.#state;
    const done = await consent.importedRows(id);
    if (from > done) throw refused(`rows ${done + 1} to ${from} of this import are missing`);
    const problems: { row: number; problem: string }[] = [];
    const records: LedgerRecord[] = [];
    rows.slice(done - from).forEach(([subscriber, purpose, action, terms], i) => {
      const problem = rowProblem(subscriber, purpose, action, terms ?? register.terms.version);
      if (problem !== undefined) problems.push({ row: done + i + 1, problem });
      else
        records.push({
          subscriber,
          purpose,
          action: action as 'opt-out' | 'opt-in',
          terms: terms ?? register.terms.version ?? '',
          ...actor,
        });
    });
    const reached = Math.max(done, from + rows.length);
    const withdrawals = records.filter(({ action }) => action === 'opt-out');
    for (const { subscriber, purpose } of withdrawals) register.withdrawAtOnce(subscriber, purpose as Purpose);
    try {
      await consent.append(records, { progress: { id, rows: reached } });
    } catch (error) {
      // The rows are asked for again, and the withdrawals among them act meanwhile.
      consent.owe(withdrawals, error);
      throw error;
    }
    return { rows: reached, problems };
  }

  #consentOf(subscriber: string): SubscriberConsent {
    const { register } = this.#state;
    const holder = register.directory.find(subscriber);
    return {
      subscriber,
      known: holder >= 0,
      terms: register.terms.version,
      durable: !this.#state.consent.owed.has(subscriber) && !this.#state.ledger.isVolatile,
      purposes: PURPOSES.map((purpose) => ({
        purpose,
        state: register.stateOf(subscriber, purpose),
        inspected: holder >= 0 && !this.#state.isFenced && register.consentsNow(holder, purpose),
      })),
    };
  }

  async #recordLook(subscriber: string, action: 'shown' | 'exported', actor: Actor): Promise<void> {
    if (!isSubscriberNumber(subscriber)) throw refused('not a subscriber number');
    const terms = this.#state.register.terms.version ?? '';
    await this.#state.consent.append([{ subscriber, purpose: '', action, terms, ...actor }]);
  }
}

function individual(subscriber: string): void {
  if (!isSubscriberNumber(subscriber)) throw refused('not a subscriber number');
  if (isGroup(subscriber))
    throw refused('a contract group has no consent of its own: what its contract covers stands in subscribers.groups');
}

function rowProblem(
  subscriber: string,
  purpose: string,
  action: string,
  terms: string | undefined,
): string | undefined {
  if (!isSubscriberNumber(subscriber)) return 'no subscriber number';
  if (isGroup(subscriber)) return 'a contract group has no consent of its own';
  if (!isPurpose(purpose)) return `the purpose is none of ${PURPOSES.join(', ')}`;
  if (action !== 'opt-out' && action !== 'opt-in') return 'the action is neither opt-out nor opt-in';
  if (action === 'opt-in' && terms === undefined) return NO_TERMS;
  return undefined;
}

function refused(message: string): SekishoError {
  return subscribersError('SEKISHO_CONSENT_REFUSED', message);
}
