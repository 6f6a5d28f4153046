/** `/v1/export/ip53b`: filters in the words of a kind of router, from the configuration in force. */
import type { FastifyInstance } from 'fastify';
import { STAFF } from '../audit/roles.ts';
import { errorSchema, responseSchema } from '../errors/api-schema.ts';
import { IP53B_FORMATS, type Ip53bConfig, type Ip53bFormat, ip53b } from './ip53b.ts';

/** What the configuration says of it. */
export interface Ip53bSection {
  readonly ip53b: Ip53bConfig;
}

export function filterRoutes(app: FastifyInstance, config: Ip53bSection): void {
  app.get<{ Querystring: { format: Ip53bFormat } }>(
    '/v1/export/ip53b',
    {
      config: { roles: STAFF, noAudit: 'a filter made of the configuration: nothing of anybody’s communication' },
      schema: {
        summary: 'Router filters against open resolvers on dynamic addresses, from the configuration in force',
        querystring: {
          type: 'object',
          required: ['format'],
          additionalProperties: false,
          properties: { format: { type: 'string', enum: IP53B_FORMATS } },
        },
        response: {
          200: {
            description: 'The filter',
            type: 'object',
            required: ['format', 'text'],
            properties: { format: { type: 'string' }, text: { type: 'string' } },
          },
          '4xx': responseSchema(errorSchema),
        },
      },
    },
    async ({ query: { format } }) => ({ format, text: ip53b(config.ip53b, format) }),
  );
}
