/** What plugins record for notices, brought to the store: numbers become subscribers and lists. */
import type { Logger } from 'pino';
import type { Auditor } from '../../audit/entry.ts';
import type { NoticeDesk } from '../../contract/plugin.ts';
import { errorText } from '../../errors/errors.ts';
import { CONSENT_PURPOSES } from '../../grounds/categories.ts';
import type { ListConfig } from '../../lists/list-config.ts';
import type { SubscriberState } from '../state.ts';
import { isGroup } from '../table/directory.ts';
import type { DeletedNotices } from './notices.ts';
import { isPurpose } from './purposes.ts';

/** Action of the audit log. */
export const NOTICES_DELETED = 'notice.delete';
/** Later than any clock. */
export const FOR_EVER_MS = Number.MAX_SAFE_INTEGER;

export function noticeDesk(
  state: SubscriberState,
  lists: readonly ListConfig[],
  audit: Auditor,
  log: Pick<Logger, 'error' | 'info'>,
): NoticeDesk {
  const { register, clock } = state;
  return {
    record(records) {
      const lastMs = clock.wallMs();
      state.notices.add(
        records.flatMap(({ holder, list, count, name }) => {
          const config = lists[list];
          const subscriber = register.directory.numberOf(holder);
          const purpose = config && CONSENT_PURPOSES[config.category];
          if (!config || subscriber === undefined || purpose === undefined || !isPurpose(purpose)) return [];
          // A group has many members and none of them looked it up alone; and who has withdrawn meanwhile is left alone.
          if (isGroup(subscriber) || !register.consentsNow(holder, purpose)) return [];
          return [
            {
              subscriber,
              category: config.category,
              list: config.name,
              lastMs,
              count,
              ...(name !== undefined && { name }),
            },
          ];
        }),
      );
    },
    deleteOlderThan(ms) {
      recordDeletion(state.notices.deleteBefore(clock.wallMs() - ms), 'retention', audit, log);
    },
    deleteNamesOlderThan(ms) {
      recordDeletion(state.notices.deleteNamesBefore(clock.wallMs() - ms), 'retention', audit, log);
    },
    deleteNames(why) {
      // Also those that carry a time ahead of the clock, which may have been put back.
      if (state.notices.keepsNames) recordDeletion(state.notices.deleteNamesBefore(FOR_EVER_MS), why, audit, log);
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
