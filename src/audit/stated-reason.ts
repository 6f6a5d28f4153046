import { z } from 'zod';

/** Body of a request that a person has to give a reason for. */
export const statedReason = z.strictObject({ reason: z.string().min(1).max(500).describe('Why; recorded.') });
