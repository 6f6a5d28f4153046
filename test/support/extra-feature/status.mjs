import { z } from 'zod';
import { statusPart } from '../../../dist/src/feature/status.js';

export const TIDE_STATUS = statusPart({ tide: z.int().describe('Level of the tide.') }, ({ tide }) => [
  ['tide', `stands at ${tide}`],
]);
