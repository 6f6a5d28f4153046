/**
 * `/v1/leases`: what a DHCP server or BNG without RADIUS reports (R10). Written only: nobody reads here who holds what. It is a
 * role of its own, within networks of its own: whoever runs the network must not be able to become a subscriber by it.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { AddressError, type Prefix, parsePrefix, prefixContains, prefixText } from '../address/address.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { recordTogether } from '../audit/together.ts';
import { SekishoError } from '../errors/errors.ts';
import { API_REPORTER, LEASE_RESULTS, sessionHash, sessionWord } from '../subscribers/leases/leases.ts';
import { isGroup, isSubscriberNumber } from '../subscribers/table/directory.ts';
import { needed } from './consent.ts';
import type { AdminDeps } from './deps.ts';
import { changeBy } from './personal-read.ts';
import { errorSchema, responseSchema } from './status.ts';

const resultSchema = z.strictObject({ result: z.enum(LEASE_RESULTS) });
const EVENTS = ['start', 'interim', 'stop'] as const;

interface Report {
  readonly event: (typeof EVENTS)[number];
  readonly address: string;
  readonly subscriber: string;
  readonly reason?: string;
}

export function leaseRoutes(
  app: FastifyInstance,
  { subscribers: desk, config, audit }: Pick<AdminDeps, 'subscribers' | 'config' | 'audit'>,
): void {
  const networks = (texts: readonly string[]) => texts.map((text) => parsePrefix(text));
  const access = networks(config.server.access);
  const prefixes = networks(config.subscribers?.provisioning?.prefixes ?? config.server.access);

  app.post<{ Body: Report }>(
    '/v1/leases',
    {
      config: {
        roles: ['provisioning'],
        audit: { of: 'change', actions: EVENTS.map((event) => `lease.${event}`) },
      },
      schema: {
        summary: 'Report that a lease begins, goes on or ends; within subscribers.provisioning.prefixes. Audited',
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['event', 'address', 'subscriber'],
          properties: {
            event: { type: 'string', enum: EVENTS },
            address: { type: 'string', maxLength: 64, description: 'Address or prefix.' },
            subscriber: { type: 'string', maxLength: 64 },
            reason: { type: 'string', maxLength: 500, description: 'Why; recorded.' },
          },
        },
        response: {
          200: responseSchema(resultSchema),
          '4xx': responseSchema(errorSchema),
          '5xx': responseSchema(errorSchema),
        },
      },
    },
    async ({ body: { event, address, subscriber, reason }, identity }) => {
      const { state } = needed(desk);
      if (!isSubscriberNumber(subscriber) || isGroup(subscriber))
        throw invalid('subscriber: that is no subscriber number');
      const prefix = { ...prefixOf(address), port: 0, portBits: 0 };
      // The address alone: together with the number, the log would keep for good who had which address when.
      const detail = { address: prefixText(prefix) };
      const entry: AuditEntry = changeBy(
        identity,
        `lease.${event}`,
        reason,
        'an address was handed out or taken back',
        detail,
      );
      const isInside = [access, prefixes].every((all) => all.some((network) => within(prefix, network)));
      // To end what one has written is always allowed: nobody is inspected by it.
      if (!isInside && event !== 'stop') {
        const why = 'it is outside the networks in which leases may be written';
        await recordTogether(audit, { ...entry, action: `${entry.action}.refused`, detail: { ...detail, why } });
        throw new SekishoError('SEKISHO_LEASE_REFUSED', `address: ${why}`);
      }
      await recordTogether(audit, entry);
      const holder = state.register.holderFor(subscriber);
      if (holder < 0) return { result: 'full' as const };
      const session = sessionWord(API_REPORTER, sessionHash(subscriber));
      const atSeconds = state.nowSeconds();
      const result = state.leases.report({ kind: event, prefix, holder, session, atSeconds });
      await state.recorded();
      return { result };
    },
  );
}

function within(prefix: Prefix, network: Prefix): boolean {
  return prefix.bits >= network.bits && prefixContains(network, prefix.words);
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
