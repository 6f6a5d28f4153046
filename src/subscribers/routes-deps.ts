/** What the routes about subscribers stand on. */
import type { Logger } from 'pino';
import type { Auditor } from '../audit/entry.ts';
import type { SubscriberDesk } from './desk.ts';
import { noSubscribers } from './errors.ts';

export interface SubscriberRoutesDeps {
  /** Undefined where the configuration knows no subscribers. */
  readonly desk: SubscriberDesk | undefined;
  readonly audit: Auditor;
  readonly log: Logger;
}

/** Throws SekishoError where the configuration knows no subscribers, with the lines that bring them. */
export function needed(desk: SubscriberDesk | undefined): SubscriberDesk {
  if (desk) return desk;
  throw noSubscribers();
}
