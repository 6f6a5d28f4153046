/** What plugins record for notices, brought to the store: numbers become subscribers and lists. */
import type { Logger } from 'pino';
import type { Auditor } from '../../audit/entry.ts';
import { errorText } from '../../errors/errors.ts';
import { CONSENT_PURPOSES } from '../../grounds/categories.ts';
import type { ListConfig } from '../../lists/list-config.ts';
import type { SubscriberState, SuspectedLookups } from '../state.ts';
import { isGroup } from '../table/directory.ts';
import type { DeletedNotices } from './notice-store.ts';
import { NOTICES_DELETED } from './notices-deleted.ts';
import { isPurpose } from './purposes.ts';

/** Rejects with SekishoError where the store does not do it. */
export interface NoticeDesk {
  /**
   * The holder (SubscribersInForce.holderOf) looked up names of the list, `count` times up to now. Left out where the
   * holder does not consent any more, or stands for a whole contract group.
   */
  record(notices: readonly NoticeRecord[]): Promise<void>;
  /** Delete what was last added to longer than `ms` ago. */
  deleteOlderThan(ms: number): Promise<void>;
  /** The same of names alone. */
  deleteNamesOlderThan(ms: number): Promise<void>;
  /** The ground on which names were kept has ended: delete all of them, now. Costs little where there are none. */
  deleteNames(why: string): Promise<void>;
}

/** `name`: only where the operator has stated a ground for keeping it. */
export interface NoticeRecord {
  readonly holder: number;
  readonly list: number;
  readonly count: number;
  readonly name?: string;
}

/** Later than any clock. */
export const FOR_EVER_MS = Number.MAX_SAFE_INTEGER;
/** Lists of fewer names are told by their category: their own name would say which site it was. */
export const LEAST_NAMES = 2;

/** `namesOf`: different names on a list now; undefined where that is not known. */
export function noticeDesk(
  state: SubscriberState,
  lists: readonly ListConfig[],
  namesOf: (list: number) => number | undefined,
  audit: Auditor,
  log: Pick<Logger, 'error' | 'info'>,
  isInForce: () => boolean,
): NoticeDesk {
  const { register, clock } = state;
  return {
    async record(records) {
      const lastMs = clock.wallMs();
      const suspected: SuspectedLookups[] = [];
      await state.notices.add(
        records.flatMap(({ holder, list, count, name }) => {
          const config = lists[list];
          const subscriber = register.directory.numberOf(holder);
          const purpose = config && CONSENT_PURPOSES[config.category];
          if (!config || subscriber === undefined || purpose === undefined || !isPurpose(purpose)) return [];
          // A group has many members and none of them looked it up alone; and who has withdrawn meanwhile is left alone.
          if (isGroup(subscriber) || !register.consentsNow(holder, purpose)) return [];
          const told = (namesOf(list) ?? 0) < LEAST_NAMES ? config.category : config.name;
          if (config.tier === 'suspected' && !config.dryRun) suspected.push({ subscriber, list: told, count });
          return [
            {
              subscriber,
              category: config.category,
              list: told,
              lastMs,
              count,
              ...(name !== undefined && { name }),
            },
          ];
        }),
      );
      if (suspected.length > 0) state.onSuspected?.(suspected);
    },
    async deleteOlderThan(ms) {
      recordDeletion(await state.notices.deleteBefore(clock.wallMs() - ms), 'retention', audit, log);
    },
    async deleteNamesOlderThan(ms) {
      recordDeletion(await state.notices.deleteNamesBefore(clock.wallMs() - ms), 'retention', audit, log);
    },
    async deleteNames(why) {
      // While two configurations stand side by side, the former one knows nothing of the grounds of the new one.
      if (!isInForce()) return;
      // Also those that carry a time ahead of the clock, which may have been put back.
      if (!(await state.notices.keepsNames())) return;
      recordDeletion(await state.notices.deleteNamesBefore(FOR_EVER_MS), why, audit, log);
    },
  };
}

/** What was deleted, how much of it and why: in the audit log, from where the transparency report takes it. */
export function recordDeletion(
  { notices, names }: DeletedNotices,
  purpose: string,
  audit: Auditor,
  log: Pick<Logger, 'error' | 'info'>,
): void {
  const deletions = [
    { dataset: 'notices', rows: notices },
    { dataset: 'notices/names', rows: names },
  ].filter(({ rows }) => rows > 0);
  if (deletions.length === 0) return;
  log.info({ deletions, purpose }, 'notices deleted');
  try {
    audit.record({ who: 'server', role: 'server', action: NOTICES_DELETED, purpose, detail: { deletions } });
  } catch (error) {
    // A deletion is not held up by it.
    log.error({ action: NOTICES_DELETED, reason: errorText(error) }, 'not in the audit log');
  }
}
