import { z } from 'zod';
import { oneSection } from '../../../dist/src/feature/sections.js';

const schema = z
  .strictObject({ level: z.int().min(0).max(100).default(1).describe('Level that every thread shows.') })
  .prefault({})
  .describe('The tide.');

export const TIDE_SECTION = oneSection('tide', schema, (tide) => ({ tide }));
