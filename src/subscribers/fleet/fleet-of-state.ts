/** What ties a node's place in its fleet to what it knows of subscribers. */
import type { FleetState } from '../../fleet/fleet-state.ts';
import { systemTimers } from '../../time/timers.ts';
import { openPostgresNotices } from '../consent/postgres-notice-store.ts';
import type { FleetOfState } from '../state.ts';
import { PostgresConsentLog } from './postgres-consent-log.ts';
import { PostgresLeaseLog } from './postgres-lease-log.ts';

export function fleetOf({ fence, membership, engine, config: { node }, session }: FleetState): FleetOfState {
  return {
    fence,
    membership,
    node,
    log: new PostgresConsentLog(engine, node, session),
    leaseLog: new PostgresLeaseLog(engine, session),
    session,
    timers: systemTimers,
    notices: openPostgresNotices(engine),
    follow: (what, read) => {
      engine.listen(what === 'consent' ? 'sekisho_consent' : 'sekisho_lease', { heard: read, connected: read });
    },
  };
}
