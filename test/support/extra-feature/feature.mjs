/** A feature that says what every thread's gauge shows: all that a feature can declare, in little. It is no part of Sekisho. */
import { errorsOf } from '../../../dist/src/errors/errors.js';
import { declareFeature } from '../../../dist/src/feature/feature.js';

export const TIDE_ERRORS = {
  TIDE_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'A level of the tide that brings bad luck was asked for.',
    remedy: 'Ask for another level.',
  },
};
const tideError = errorsOf(TIDE_ERRORS);

/** 13 cannot be carried out. Throws SekishoError. */
function checked(level) {
  if (level === 13) throw tideError('TIDE_REFUSED', 'a tide of 13 is refused');
  return level;
}

export const TIDE = declareFeature({
  name: 'tide',
  errors: TIDE_ERRORS,
  sections: async () => (await import('./section.mjs')).TIDE_SECTION,
  status: async () => (await import('./status.mjs')).TIDE_STATUS,
  commands: { tide: async () => (await import('./command.mjs')).tideCommand },
  open: async (context) => {
    const { audit, config, metrics } = context;
    const published = metrics.gauge('sekisho_tide_published', 'Level that the main thread has published.');
    let level = checked(config.tide.level);
    const publish = async (to) => {
      level = to;
      metrics.values[published] = to;
      await context.publish(to);
    };
    await publish(level);
    const { tideRoutes } = await import('./routes.mjs');
    return {
      desk: undefined,
      routes: (app) => tideRoutes(app, { audit, set: async (to) => publish(checked(to)), level: () => level }),
      status: () => ({ tide: level }),
      unready: () => (level === 0 ? 'the tide is out' : undefined),
    };
  },
  data: ({ metrics }) => {
    const shown = metrics.gauge('sekisho_tide_level', 'Level that this worker was told.', {}, true);
    return {
      data: undefined,
      take: (level) => {
        metrics.values[shown] = level;
      },
    };
  },
});
