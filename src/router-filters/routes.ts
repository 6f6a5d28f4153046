/** `/v1/export/ip53b`: filters in the words of a kind of router, from the configuration in force. */
import { z } from 'zod';
import { STAFF } from '../audit/roles.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { IP53B_FORMATS, type Ip53bConfig, ip53b } from './ip53b.ts';

/** What the configuration says of it. */
export interface Ip53bSection {
  readonly ip53b: Ip53bConfig;
}

export function filterRoutes(app: AdminApi, config: Ip53bSection): void {
  app.get(
    '/v1/export/ip53b',
    {
      config: { roles: STAFF, noAudit: 'a filter made of the configuration: nothing of anybody’s communication' },
      schema: {
        summary: 'Router filters against open resolvers on dynamic addresses, from the configuration in force',
        querystring: z.strictObject({ format: z.enum(IP53B_FORMATS) }),
        response: {
          200: z.strictObject({ format: z.string(), text: z.string() }).describe('The filter'),
          ...FAILURES,
        },
      },
    },
    async ({ query: { format } }) => ({ format, text: ip53b(config.ip53b, format) }),
  );
}
