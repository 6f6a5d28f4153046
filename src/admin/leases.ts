/** `/v1/leases`: what a DHCP server or BNG without RADIUS reports (R10). Written only: nobody reads here who holds what. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { AddressError, type Prefix, parsePrefix } from '../address/address.ts';
import { errorSchema, responseSchema } from '../contract/api-schema.ts';
import { SekishoError } from '../errors/errors.ts';
import type { SubscriberDesk } from '../subscribers/desk.ts';
import { LEASE_RESULTS, MAX_REPORTERS, sessionHash, sessionWord } from '../subscribers/leases/leases.ts';
import { isGroup, isSubscriberNumber } from '../subscribers/table/directory.ts';
import { needed } from './consent.ts';

const resultSchema = z.strictObject({ result: z.enum(LEASE_RESULTS) });
/** Reports over the API are one reporter, apart from those of RADIUS. */
const API_REPORTER = MAX_REPORTERS - 1;

interface Report {
  readonly event: 'start' | 'interim' | 'stop';
  readonly address: string;
  readonly subscriber: string;
}

export function leaseRoutes(app: FastifyInstance, desk: SubscriberDesk | undefined): void {
  app.post<{ Body: Report }>(
    '/v1/leases',
    {
      config: { roles: ['operator'] },
      schema: {
        summary: 'Report that a lease begins, goes on or ends',
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['event', 'address', 'subscriber'],
          properties: {
            event: { type: 'string', enum: ['start', 'interim', 'stop'] },
            address: { type: 'string', maxLength: 64, description: 'Address or prefix.' },
            subscriber: { type: 'string', maxLength: 64 },
          },
        },
        response: { 200: responseSchema(resultSchema), '4xx': responseSchema(errorSchema) },
      },
    },
    async ({ body: { event, address, subscriber } }) => {
      const { state } = needed(desk);
      if (!isSubscriberNumber(subscriber) || isGroup(subscriber))
        throw invalid('subscriber: that is no subscriber number');
      const holder = state.register.holderFor(subscriber);
      if (holder < 0) return { result: 'full' as const };
      const prefix = { ...prefixOf(address), port: 0, portBits: 0 };
      const session = sessionWord(API_REPORTER, sessionHash(subscriber));
      const atSeconds = state.nowSeconds();
      const result = state.leases.report({ kind: event, prefix, holder, session, atSeconds });
      await state.recorded();
      return { result };
    },
  );
}

function prefixOf(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch (error) {
    if (error instanceof AddressError) throw invalid('address: no address or prefix');
    throw error;
  }
}

function invalid(message: string): SekishoError {
  return new SekishoError('SEKISHO_REQUEST_INVALID', message);
}
