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
import { NOTICES_FILE, Notices, openNotices } from './notices.ts';

const AGAIN_MS = 1000;

interface Parts {
  readonly dataFolder: string;
  /** Undefined where this process has known no subscribers. */
  readonly state: SubscriberState | undefined;
  readonly audit: Auditor;
  readonly log: Pick<Logger, 'error' | 'info'>;
}

/** Until the returned function is called. */
export function forgetNames({ dataFolder, state, audit, log }: Parts): () => void {
  const file = join(dataFolder, 'subscribers', NOTICES_FILE);
  const forget = (notices: Notices) => {
    if (!notices.keepsNames) return;
    recordDeletion(notices.deleteNamesBefore(FOR_EVER_MS), 'nothing in force keeps names on a ground', audit, log);
  };
  const quietly = (work: () => void) => {
    try {
      work();
    } catch (error) {
      log.error({ reason: errorText(error) }, 'failed to delete names without a ground');
    }
  };
  if (!state) {
    quietly(() => {
      if (!existsSync(file)) return;
      const notices = new Notices(openNotices(file, 0));
      forget(notices);
      notices.close();
    });
    return () => {};
  }
  const timer = setInterval(() => quietly(() => forget(state.notices)), AGAIN_MS).unref();
  quietly(() => forget(state.notices));
  return () => clearInterval(timer);
}
