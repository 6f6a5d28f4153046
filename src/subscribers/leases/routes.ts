/**
 * `/v1/leases`: what a DHCP server or BNG without RADIUS reports. Written only: nobody reads here who holds what. It is a
 * role of its own, within networks of its own: whoever runs the network must not be able to become a subscriber by it.
 */
import { z } from 'zod';
import {
  AddressError,
  addressWords,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixText,
} from '../../address/address.ts';
import type { AuditEntry } from '../../audit/entry.ts';
import { changeBy } from '../../audit/personal-read.ts';
import { recordTogether } from '../../audit/together.ts';
import { type AdminApi, FAILURES } from '../../errors/api-schema.ts';
import { generalError, type SekishoError } from '../../errors/errors.ts';
import { subscribersError } from '../errors.ts';
import { needed, type SubscriberRoutesDeps } from '../routes-deps.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';
import { type LeaseRefusal, refusalOf, withoutHostBits } from './lease-bounds.ts';
import { LEASE_RESULTS } from './leases.ts';
import { namedReporter, sessionName } from './session-name.ts';

const resultSchema = z.strictObject({ result: z.enum(LEASE_RESULTS) });
const EVENTS = ['start', 'interim', 'stop'] as const;
const REFUSALS: Readonly<Record<LeaseRefusal, string>> = {
  'too-short': 'address: the prefix is shorter than subscribers.provisioning allows',
  mapped: 'address: an IPv6 prefix that stands for IPv4 or spans it is not leased; write it as IPv4',
  reserved: 'address: that is nobody’s address',
  'outside-access': 'address: not, or not all of it, in server.access',
  unreadable: 'address: no address or prefix',
};
/** Outside the networks that leases may be written in. */
const OUTSIDE = 'address: not in subscribers.provisioning.prefixes';

export function leaseRoutes(app: AdminApi, { desk, audit }: Pick<SubscriberRoutesDeps, 'desk' | 'audit'>): void {
  // That it is within server.access is among the bounds of every lease.
  const prefixes = desk?.config.provisioning.prefixes?.map((text) => parsePrefix(text));

  app.post(
    '/v1/leases',
    {
      config: {
        roles: ['provisioning'],
        audit: { of: 'change', actions: EVENTS.map((event) => `lease.${event}`) },
      },
      schema: {
        summary: 'Report that a lease begins, goes on or ends; within subscribers.provisioning.prefixes. Audited',
        body: z.strictObject({
          event: z.enum(EVENTS),
          address: z.string().max(64).describe('Address or prefix.'),
          subscriber: z.string().max(64),
          reason: z.string().max(500).optional().describe('Why; recorded.'),
        }),
        response: { 200: resultSchema, ...FAILURES },
      },
    },
    async ({ body: { event, address, subscriber, reason }, identity }) => {
      const { state, provisioning, doubts } = needed(desk);
      if (!isSubscriberNumber(subscriber) || isGroup(subscriber)) throw invalid('subscriber: not a subscriber number');
      const prefix = prefixOf(address);
      // The address alone: together with the number, the log would keep for good who had which address when.
      const detail = { address: prefixText(prefix) };
      const purpose = 'an address was handed out or taken back';
      const entry: AuditEntry = changeBy(identity, `lease.${event}`, reason, purpose, detail);
      const refused = async (why: string, error: SekishoError): Promise<SekishoError> => {
        await recordTogether(audit, { ...entry, action: `${entry.action}.refused`, detail: { ...detail, why } });
        return error;
      };
      const refusal = refusalOf(prefix, !address.includes(':'), provisioning);
      if (refusal !== undefined) {
        doubts.refused(refusal);
        throw await refused(refusal, invalid(REFUSALS[refusal]));
      }
      // To end what one has written is always allowed: nobody is inspected by it.
      if (event !== 'stop' && prefixes?.some((network) => within(prefix, network)) === false) {
        doubts.refused('outside-access');
        throw await refused('outside-prefixes', subscribersError('SEKISHO_LEASE_REFUSED', OUTSIDE));
      }
      await recordTogether(audit, entry);
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
      if (result === 'full' || result === 'client-full') doubts.full(identity?.name ?? '');
      await state.recorded();
      return { result };
    },
  );
}

function within(prefix: Prefix, network: Prefix): boolean {
  return prefix.bits >= network.bits && prefixContains(network, prefix.words);
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
  return generalError('SEKISHO_REQUEST_INVALID', message);
}
