/**
 * Changes of consent in the audit log, beside the ledger, over whichever channel they come. What lets a subscriber be inspected is
 * in the log before it happens, or it does not happen. An opt-out waits for nobody: it acts at once, and that it could
 * not be recorded is said loudly.
 */
import { outcomeOf } from '../../audit/as-it-went.ts';
import type { AuditEntry, Auditor } from '../../audit/entry.ts';
import { beginTogether, recordTogether } from '../../audit/together.ts';
import { errorText, SekishoError } from '../../errors/errors.ts';
import type { SubscriberState } from '../state.ts';
import { type Actor, ConsentDesk, type ImportRow, type SubscriberConsent } from './consent-desk.ts';
import type { Purpose } from './purposes.ts';

/** Who asks, as the audit log knows them. */
export type Asker = Pick<AuditEntry, 'who' | 'role'>;

interface ConsentLog {
  error(fields: object, text: string): void;
}

export class AuditedConsents {
  readonly #desk: ConsentDesk;
  readonly #audit: Auditor;
  readonly #log: ConsentLog;

  constructor(state: SubscriberState, audit: Auditor, log: ConsentLog) {
    this.#desk = new ConsentDesk(state);
    this.#audit = audit;
    this.#log = log;
  }

  /** As ConsentDesk.change. Throws SekishoError SEKISHO_AUDIT_FAILED for an opt-in that cannot be recorded. */
  async change(
    subscriber: string,
    purpose: Purpose,
    action: 'opt-out' | 'opt-in',
    actor: Actor,
    asker: Asker,
  ): Promise<SubscriberConsent> {
    const entry = {
      ...asker,
      action: `consent.${action}`,
      purpose: actor.reason.trim() || `the subscriber asked for it (${actor.channel})`,
      detail: { subscriber, purpose, channel: actor.channel },
    };
    const begun = beginTogether(this.#audit, entry);
    const [flushed, recorded] = [begun.then((entries) => entries.flushed), begun.then((entries) => entries.recorded)];
    // Seen to below: until then nobody waits for it.
    for (const each of [flushed, recorded]) each.catch(() => {});
    // Both go to the disk side by side. Of an opt-out nothing waits for the log, but that the ledger shows itself only with it.
    const optOut = { flushed: flushed.catch(() => {}), recorded: Promise.resolve() };
    if (action === 'opt-in') await begun;
    let changed: SubscriberConsent;
    try {
      changed = await this.#desk.change(
        subscriber,
        purpose,
        action,
        actor,
        action === 'opt-in' ? { flushed, recorded } : optOut,
      );
    } catch (error) {
      await this.#wentWrong(entry, error);
      throw error;
    }
    await recorded.catch((error: unknown) =>
      this.#log.error({ reason: errorText(error) }, 'an opt-out is in effect, but it is not in the audit log'),
    );
    return changed;
  }

  /** As ConsentDesk.import. An import may let subscribers be inspected: it is in the log before, or refused. */
  async import(
    id: string,
    from: number,
    rows: readonly ImportRow[],
    actor: Actor,
    asker: Asker,
  ): Promise<Awaited<ReturnType<ConsentDesk['import']>>> {
    const count = (action: string) => rows.filter((row) => row[2] === action).length;
    const entry = {
      ...asker,
      action: 'consent.import',
      purpose: actor.reason.trim() || 'to take over consents of another system',
      detail: { import: id, from, rows: rows.length, optOuts: count('opt-out'), optIns: count('opt-in') },
    };
    await recordTogether(this.#audit, entry);
    try {
      return await this.#desk.import(id, from, rows, actor);
    } catch (error) {
      await this.#wentWrong(entry, error);
      throw error;
    }
  }

  /** The entry was made and nothing came of it: that is written down too, so that the log does not claim it. */
  async #wentWrong(entry: AuditEntry, error: unknown): Promise<void> {
    const code = error instanceof SekishoError ? error.code : 'SEKISHO_INTERNAL';
    const action = `${entry.action}.${outcomeOf(error)}`;
    await recordTogether(this.#audit, { ...entry, action, detail: { ...entry.detail, code } }).catch(
      (unrecorded: unknown) =>
        this.#log.error({ action, reason: errorText(unrecorded) }, 'the outcome of a change is not in the audit log'),
    );
  }
}
