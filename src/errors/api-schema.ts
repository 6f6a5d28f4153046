/** What every route of the admin API shares. */
import { z } from 'zod';

/** What every failed request is answered. */
export const errorSchema = z.strictObject({
  error: z.strictObject({
    code: z.string().describe('One of those in docs/errors.md, or of a plugin from outside.'),
    message: z.string(),
    remedy: z.string().describe('What can be done about it.'),
    details: z.array(z.string()).optional().describe('Every problem, where there may be several.'),
  }),
});
export type ErrorBody = z.infer<typeof errorSchema>;

/** The JSON Schema that Fastify and OpenAPI want. */
export function responseSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', reused: 'inline' });
  return rest;
}
