/**
 * What every route of the admin API shares: its requests and answers are declared in zod, as the configuration is. The types of
 * a handler come from the declaration, and so does the JSON Schema by which Fastify checks, writes and describes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifySchema,
  FastifyTypeProvider,
  RawServerDefault,
  RouteOptions,
} from 'fastify';
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

/** For a route's `response`, beside what it answers when all is well. */
export const FAILURES = { '4xx': errorSchema, '5xx': errorSchema } as const;

interface ZodProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? Sent<z.output<this['schema']>> : unknown;
  serializer: this['schema'] extends z.ZodType ? Kept<z.input<this['schema']>> : unknown;
}

/** As it comes in JSON, which has no `undefined`: a member is there or not. */
type Sent<T> = T extends object ? { [K in keyof T]: Sent<Exclude<T[K], undefined>> } : T;

/** What is answered is written and not changed; it may have more members where the schema is loose. */
type Kept<T> = T extends readonly (infer Item)[]
  ? readonly Kept<Item>[]
  : T extends object
    ? { readonly [K in keyof T as string extends K ? (unknown extends T[K] ? never : K) : K]: Kept<T[K]> }
    : T;

/** Where routes are registered. A route that is declared in JSON Schema is taken too, and types its handler itself. */
export type AdminApi = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodProvider
>;

/** The JSON Schema that Fastify and OpenAPI want. */
export function responseSchema(schema: z.ZodType): Record<string, unknown> {
  return jsonSchema(schema, 'output');
}

/** For `onRoute`: what a route declares in zod becomes JSON Schema. Throws where that has no words for it. */
export function declareInJsonSchema(route: Pick<RouteOptions, 'schema'>): void {
  const { schema } = route;
  if (!schema) return;
  const declared: FastifySchema & { [part: string]: unknown } = { ...schema };
  for (const part of ['params', 'querystring', 'headers', 'body'] as const) {
    const given = declared[part];
    if (given instanceof z.ZodType) declared[part] = jsonSchema(given, 'input');
  }
  if (typeof declared.response === 'object' && declared.response !== null)
    declared.response = Object.fromEntries(
      Object.entries(declared.response).map(([status, given]) => [
        status,
        given instanceof z.ZodType ? responseSchema(given) : given,
      ]),
    );
  route.schema = declared;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-7',
    reused: 'inline',
    io,
    override: ({ jsonSchema: made }) => nullAsType(made),
  });
  return rest;
}

/** `anyOf: [X, null]` as X whose type may be null too: what is wrong with X is said, and not that it is not null either. */
function nullAsType(made: Record<string, unknown>): void {
  const { anyOf } = made as { anyOf?: readonly Record<string, unknown>[] };
  if (anyOf?.length !== 2) return;
  const [one, other] = anyOf;
  if (typeof one?.['type'] !== 'string' || other?.['type'] !== 'null' || Object.keys(other).length > 1) return;
  delete made['anyOf'];
  Object.assign(made, { ...one, ...made, type: [one['type'], 'null'] });
}
