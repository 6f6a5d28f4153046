/** `console` in the configuration. */
import { z } from 'zod';
import { oneSection } from '../feature/sections.ts';
import { durationMs } from '../settings/units.ts';

export interface ConsoleSection {
  readonly console: {
    readonly enabled: boolean;
    /** A session ends when nobody did anything for so long. */
    readonly idleMs: number;
  };
}

const consoleSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe('`false`: the admin listener serves no console and takes no login.'),
    idle: durationMs({ min: '1m', max: '4h' })
      .prefault('15m')
      .describe(
        'A session ends when nobody did anything in it for so long. One of the role `viewer` alone, such as a screen on a wall, lasts until its twelve hours are over.',
      ),
  })
  .prefault({})
  .describe('The web console below `/console/` of `admin.listen`.');

export const CONSOLE_SECTION = oneSection(
  'console',
  consoleSchema,
  ({ enabled, idle }): ConsoleSection => ({ console: { enabled, idleMs: idle } }),
);
