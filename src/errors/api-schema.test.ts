import fastify from 'fastify';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type AdminApi, declareInJsonSchema, responseSchema } from './api-schema.ts';

function app(): AdminApi {
  const made: AdminApi = fastify({ ajv: { customOptions: { removeAdditional: false, coerceTypes: true } } });
  made.addHook('onRoute', declareInJsonSchema);
  return made;
}

describe('routes declared in zod', () => {
  const declared = app();
  declared.post(
    '/:id',
    {
      schema: {
        params: z.strictObject({ id: z.int().min(1) }),
        querystring: z.strictObject({ limit: z.int().max(9).default(5), deep: z.boolean().optional() }),
        body: z.strictObject({ reason: z.string().min(3).optional() }).nullable(),
        response: { 200: z.strictObject({ id: z.int(), limit: z.int(), reason: z.string().nullable() }) },
      },
    },
    async ({ params: { id }, query: { limit }, body }) => ({ id, limit, reason: body?.reason ?? null, more: 'hidden' }),
  );
  const post = (url: string, payload?: object) =>
    declared.inject({ method: 'POST', url, ...(payload && { payload }) }).then((answer) => answer.json());

  test('what comes as text is read as the type, a default is filled in, and what is not declared is not answered', async () => {
    expect(await post('/7?limit=3', { reason: 'because' })).toEqual({ id: 7, limit: 3, reason: 'because' });
    expect(await post('/7')).toEqual({ id: 7, limit: 5, reason: null });
  });

  test.each([
    ['/0', undefined, 'params/id must be >= 1'],
    ['/7?limit=10', undefined, 'querystring/limit must be <= 9'],
    ['/7?misspelt=1', undefined, 'querystring must NOT have additional properties'],
    // Of a body that may be absent it is said what is wrong, and not that it is not null either.
    ['/7', { reason: 'no' }, 'body/reason must NOT have fewer than 3 characters'],
    ['/7', { raeson: 'because' }, 'body must NOT have additional properties'],
  ])('%s with %j: %s', async (url, payload, message) => {
    expect(await post(url, payload)).toMatchObject({ statusCode: 400, message });
  });

  test('JSON Schema is taken as it is', async () => {
    const other = app();
    const querystring = { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: false };
    other.get<{ Querystring: { n: number } }>('/', { schema: { querystring } }, async ({ query: { n } }) => ({ n }));
    expect((await other.inject('/?n=4')).json()).toEqual({ n: 4 });
    expect((await other.inject('/?m=4')).statusCode).toBe(400);
  });

  test('what JSON Schema has no words for is refused when the route is declared', () => {
    const body = z.strictObject({ at: z.date() });
    expect(() => app().post('/', { schema: { body } }, async () => null)).toThrow(/Date cannot be represented/);
  });
});

test('a type that may be null is one type', () => {
  const schema = z.strictObject({ end: z.string().nullable().describe('When.') });
  expect(responseSchema(schema)).toMatchObject({
    properties: { end: { type: ['string', 'null'], description: 'When.' } },
  });
});
