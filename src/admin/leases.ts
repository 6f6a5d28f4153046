/** `/v1/leases`: what a DHCP server or BNG without RADIUS reports (R10). Written only: nobody reads here who holds what. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { AddressError, addressWords, type Prefix, prefixText } from '../address/address.ts';
import { errorSchema, responseSchema } from '../contract/api-schema.ts';
import { SekishoError } from '../errors/errors.ts';
import type { SubscriberDesk } from '../subscribers/desk.ts';
import { type LeaseRefusal, refusalOf, withoutHostBits } from '../subscribers/leases/lease-bounds.ts';
import { LEASE_RESULTS } from '../subscribers/leases/leases.ts';
import { namedReporter, sessionName } from '../subscribers/session-name.ts';
import { isGroup, isSubscriberNumber } from '../subscribers/table/directory.ts';
import { needed } from './consent.ts';

const resultSchema = z.strictObject({ result: z.enum(LEASE_RESULTS) });
const REFUSALS: Readonly<Record<LeaseRefusal, string>> = {
  'too-short': 'address: the prefix is shorter than subscribers.provisioning allows',
  mapped: 'address: an IPv6 prefix that stands for IPv4 or spans it is not leased; write it as IPv4',
  reserved: 'address: that is nobody’s address',
  'outside-access': 'address: not, or not all of it, in server.access',
  unreadable: 'address: no address or prefix',
};

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
    async ({ body: { event, address, subscriber }, identity }) => {
      const { state, provisioning, doubts } = needed(desk);
      if (!isSubscriberNumber(subscriber) || isGroup(subscriber))
        throw invalid('subscriber: that is no subscriber number');
      const prefix = prefixOf(address);
      const refusal = refusalOf(prefix, !address.includes(':'), provisioning);
      if (refusal !== undefined) {
        doubts.refused(refusal);
        throw invalid(REFUSALS[refusal]);
      }
      const holder = state.register.holderFor(subscriber);
      if (holder < 0) return { result: 'full' as const };
      // Each of those who hold a token is a reporter of its own; what it says of one address and subscriber is a session.
      const reporter = namedReporter(identity?.name ?? '');
      const result = state.leases.report({
        kind: event,
        session: sessionName(`${subscriber} ${prefixText(prefix)}`, reporter),
        prefixes: [{ ...prefix, port: 0, portBits: 0 }],
        holder,
        atSeconds: state.nowSeconds(),
        inOrder: true,
      });
      if (result === 'conflict') doubts.contested();
      await state.recorded();
      return { result };
    },
  );
}

/** With bits beyond the prefix cleared. */
function prefixOf(text: string): Prefix {
  const [address = '', length] = text.split('/', 2);
  try {
    const width = address.includes(':') ? 128 : 32;
    const bits = length === undefined ? width : /^\d{1,3}$/.test(length) ? Number(length) : width + 1;
    if (bits > width || text.split('/').length > 2) throw invalid('address: no address or prefix');
    return withoutHostBits(addressWords(address), bits + 128 - width);
  } catch (error) {
    if (error instanceof AddressError) throw invalid('address: no address or prefix');
    throw error;
  }
}

function invalid(message: string): SekishoError {
  return new SekishoError('SEKISHO_REQUEST_INVALID', message);
}
