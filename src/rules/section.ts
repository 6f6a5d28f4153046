/** `measures` in the configuration. */
import { z } from 'zod';
import { oneSection } from '../feature/sections.ts';
import { durationMs } from '../settings/units.ts';
import type { RulesSection } from './open.ts';

const measuresSchema = z
  .strictObject({
    keep: durationMs({ min: '1d', max: '366d' })
      .prefault('90d')
      .describe(
        'How long it is kept what was put in force, by whom, on which ground and evidence, and when it ended. Deletion is recorded.',
      ),
  })
  .prefault({})
  .describe('Measures that a diagnosis proposed (`sekisho measures`).');

export const MEASURES_SECTION = oneSection(
  'measures',
  measuresSchema,
  ({ keep }): RulesSection => ({ measures: { keepMs: keep } }),
);
