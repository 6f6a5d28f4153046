/**
 * Names of notices are kept on a ground that a plugin states. Where none in force takes notices, there is no ground: the names go,
 * and with them those that a former configuration still adds in its last moments.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Auditor } from '../../audit/entry.ts';
import { errorText } from '../../errors/errors.ts';
import type { SubscriberState } from '../state.ts';
import { FOR_EVER_MS, recordDeletion } from './notice-desk.ts';
import type { NoticeStore } from './notice-store.ts';
import { NOTICES_FILE, openSqliteNotices } from './sqlite-notice-store.ts';

const AGAIN_MS = 1000;

interface Parts {
  readonly dataFolder: string;
  /** Undefined where this process has known no subscribers. */
  readonly state: SubscriberState | undefined;
  readonly audit: Auditor;
  readonly log: Pick<Logger, 'error' | 'info'>;
}

/** Until the function that it resolves with is called. */
export async function forgetNames({ dataFolder, state, audit, log }: Parts): Promise<() => void> {
  const file = join(dataFolder, 'subscribers', NOTICES_FILE);
  const forget = async (notices: NoticeStore) => {
    if (!(await notices.keepsNames())) return;
    const deleted = await notices.deleteNamesBefore(FOR_EVER_MS);
    recordDeletion(deleted, 'nothing in force keeps names on a ground', audit, log);
  };
  const quietly = (work: () => Promise<void>) =>
    work().catch((error: unknown) =>
      log.error({ reason: errorText(error) }, 'failed to delete names without a ground'),
    );
  if (!state) {
    await quietly(async () => {
      if (!existsSync(file)) return;
      const { store } = openSqliteNotices(file, 0);
      await forget(store).finally(() => store.close());
    });
    return () => {};
  }
  const timer = setInterval(() => void quietly(() => forget(state.notices)), AGAIN_MS).unref();
  await quietly(() => forget(state.notices));
  return () => clearInterval(timer);
}
