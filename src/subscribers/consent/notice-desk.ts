/** What plugins record for notices, brought to the store: numbers become subscribers and lists. */

import { CONSENT_PURPOSES } from '../../grounds/categories.ts';
import type { ListConfig } from '../../lists/list-config.ts';
import type { SubscriberState } from '../state.ts';
import { isGroup } from '../table/directory.ts';
import { isPurpose } from './purposes.ts';

export interface NoticeDesk {
  /**
   * The holder (SubscribersInForce.holderOf) looked up names of the list, `count` times up to now. Left out where the
   * holder does not consent any more, or stands for a whole contract group.
   */
  record(notices: readonly NoticeRecord[]): void;
  /** Delete what was last added to longer than `ms` ago. */
  deleteOlderThan(ms: number): void;
  /** The same of names alone. */
  deleteNamesOlderThan(ms: number): void;
}

/** `name`: only where the operator has stated a ground for keeping it. */
export interface NoticeRecord {
  readonly holder: number;
  readonly list: number;
  readonly count: number;
  readonly name?: string;
}

/** Lists of fewer names are told by their category: their own name would say which site it was. */
export const LEAST_NAMES = 2;

/** `namesOf`: different names on a list now; undefined where that is not known. */
export function noticeDesk(
  state: SubscriberState,
  lists: readonly ListConfig[],
  namesOf: (list: number) => number | undefined,
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
              list: (namesOf(list) ?? 0) < LEAST_NAMES ? config.category : config.name,
              lastMs,
              count,
              ...(name !== undefined && { name }),
            },
          ];
        }),
      );
    },
    deleteOlderThan(ms) {
      state.notices.deleteBefore(clock.wallMs() - ms);
    },
    deleteNamesOlderThan(ms) {
      state.notices.deleteNamesBefore(clock.wallMs() - ms);
    },
  };
}
