/** What the pages need of the server that they belong to: everything of one configuration. */
import type { Auditor } from '../audit/entry.ts';
import type { SubscriberState } from '../subscribers/state.ts';
import type { TerminalsDesk } from '../terminals/desk.ts';
import type { Clock } from '../time/clock.ts';
import type { BlockedNames } from './blocked-names.ts';
import type { NoticeCounters } from './counters.ts';
import type { NoticeConfig } from './notice-config.ts';
import type { PortalMemory } from './portal-memory.ts';
import type { Templates } from './rendering.ts';
import type { SignedLinks } from './signed-links.ts';

export interface PagesDeps {
  readonly config: NoticeConfig;
  readonly templates: Templates;
  readonly names: BlockedNames;
  /** Undefined where the configuration knows no subscribers. */
  readonly state: SubscriberState | undefined;
  readonly links: SignedLinks | undefined;
  /** Cases whose codes can be checked; undefined where no notices about infected terminals are sent. */
  readonly terminals: Pick<TerminalsDesk, 'checked' | 'mark'> | undefined;
  readonly memory: PortalMemory;
  readonly counters: NoticeCounters;
  /** The portal recognises subscribers also by leases that were reported over the API. */
  readonly apiLeases: boolean;
  readonly audit: Auditor;
  readonly clock: Clock;
  readonly log: { error(fields: object, text: string): void; debug?(fields: object, text: string): void };
}
