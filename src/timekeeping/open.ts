/** How the system's clock stands to the server's time, for monitoring and for the person who says that it is right. */
import type { FeatureContext, Opened } from '../feature/feature.ts';
import { timeRoutes } from './routes.ts';

export function openTimekeeping({ time, audit, metrics }: FeatureContext<unknown>): Opened<undefined> {
  const behind = metrics.gauge(
    'sekisho_clock_behind_seconds',
    "How far the system's clock is behind the server's time.",
  );
  const doubt = metrics.gauge(
    'sekisho_clock_in_doubt',
    '1 while nothing with a term acts, because the time is not known.',
  );
  return {
    desk: undefined,
    routes: (app) => timeRoutes(app, { time, audit }),
    measure: () => {
      const { behindMs, inDoubt } = time.state;
      metrics.values[behind] = behindMs / 1000;
      metrics.values[doubt] = inDoubt ? 1 : 0;
    },
  };
}
