/** The measures desk of a process, with its store and the clock hand that drives it; every configuration is attached to it. */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { type MeasureCarrier, MeasureDesk, type MeasuresLog } from './desk.ts';
import { measureRoutes } from './routes.ts';
import { MeasureStore } from './store.ts';

/** Ends and rates are looked at this often. */
const TICK_MS = 1_000;

export interface MeasuresSection {
  /** How long changes of measures are kept. */
  readonly measures: { readonly keepMs: number };
}

export interface LentMeasures {
  readonly desk: MeasureDesk;
  /** A plugin of this configuration keeps rules of its own: measures go there. */
  carry(plugin: string, carrier: MeasureCarrier): void;
}

/** One desk a process. */
interface KeptDesk extends KeptPart {
  readonly desk: MeasureDesk;
}

export function openMeasures(context: FeatureContext<MeasuresSection>): Opened<LentMeasures> {
  const { config, plugins, metrics, approval } = context;
  const { desk } = context.keep(() => keptDesk(context));
  const carriers = new Map<string, MeasureCarrier>();
  const gauge = (state: string) =>
    metrics.gauge('sekisho_measures', 'Measures that operators have put in force.', { state });
  const [inForce, dryRuns] = [gauge('in-force'), gauge('dry-run')];
  return {
    desk: { desk, carry: (plugin, carrier) => void carriers.set(plugin, carrier) },
    routes: (app) => measureRoutes(app, desk, context.audit),
    afterPlugins: () =>
      desk.attach({
        plugins: new Set(plugins.filter(({ carriesMeasures }) => carriesMeasures).map(({ name }) => name)),
        carriers,
        publish: (published) => {
          const running = published.measures.filter(({ dryRun }) => !dryRun).length;
          metrics.values[inForce] = running;
          metrics.values[dryRuns] = published.measures.length - running;
          return context.publish(published);
        },
      }),
    activate: () => {
      desk.approval = approval;
      desk.keepMs = config.measures.keepMs;
    },
  };
}

/** A store that cannot be opened says so; then nothing can be put in force, and serving goes on. */
function keptDesk({ server, time, audit, log }: FeatureContext<MeasuresSection>): KeptDesk {
  const desk = new MeasureDesk({ store: openStore(server.dataFolder, time, log), clock: time, audit, log });
  time.onAccept(() => desk.recordEnds());
  const timer = setInterval(() => void desk.tick(), TICK_MS).unref();
  return {
    desk,
    close: () => {
      clearInterval(timer);
      desk.close();
    },
  };
}

function openStore(dataFolder: string, clock: Clock, log: MeasuresLog): MeasureStore | undefined {
  try {
    const folder = join(dataFolder, 'measures');
    makeDataFolder(folder);
    const store = new MeasureStore(folder, clock.wallMs());
    if (store.movedAside !== undefined)
      log.error(
        { movedAside: store.movedAside },
        'THE STORE OF THE MEASURES WAS DAMAGED. It was moved aside; measures that were in force are NOT any more',
      );
    return store;
  } catch (error) {
    log.error({ reason: errorText(error) }, 'the measures cannot be kept: none can be put in force');
    return undefined;
  }
}
