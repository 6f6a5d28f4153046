/** What the console needs of one configuration; sessions and failed logins outlive a reload. */
import type { FeatureContext, Opened } from '../feature/feature.ts';
import { systemTimers } from '../time/timers.ts';
import { consoleEntrance } from './entrance.ts';
import { FailedLogins } from './failed-logins.ts';
import { LiveFigures } from './live-figures.ts';
import type { ConsoleSection } from './section.ts';
import { Sessions } from './sessions.ts';
import { readConsoleFiles } from './static-files.ts';

interface Kept {
  readonly sessions: Sessions;
  readonly failures: FailedLogins;
  close(): void;
}

export function openConsole(context: FeatureContext<ConsoleSection>): Opened<undefined> {
  const { config, time, audit, log, metrics, version, samples } = context;
  const { enabled, idleMs } = config.console;
  const { sessions, failures } = context.keep(
    (): Kept => ({ sessions: new Sessions(time, idleMs), failures: new FailedLogins(time), close: () => {} }),
  );
  if (!enabled) return { desk: undefined };
  const live = new LiveFigures({ samples, timers: systemTimers, clock: time, log });
  const open = metrics.gauge('sekisho_console_sessions', 'Sessions of the console.');
  const watching = metrics.gauge('sekisho_console_live_clients', 'Consoles that are sent live figures.');
  return {
    desk: undefined,
    entrance: consoleEntrance({ sessions, failures, live, audit, log, version, files: readConsoleFiles() }),
    activate: () => {
      sessions.idleMs = idleMs;
    },
    measure: () => {
      metrics.values[open] = sessions.size;
      metrics.values[watching] = live.clients;
    },
    close: () => live.close(),
  };
}
