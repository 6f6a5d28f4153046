/** `ip53b` in the configuration: what router filters are made from. */
import { z } from 'zod';
import { AddressError, parsePrefix } from '../address/address.ts';
import { oneSection } from '../feature/sections.ts';
import type { Ip53bSection } from './routes.ts';

const ip53bSchema = z
  .strictObject({
    dynamic: networks().describe(
      'Networks whose addresses subscribers get dynamically: nobody there is meant to serve.',
    ),
    fixed: networks().describe('Fixed addresses and networks inside them, whose subscribers may run servers.'),
    servers: networks().describe("The operator's own servers, which may talk to subscribers on these ports."),
    inbound: ports([53, 123]).describe('UDP ports of dynamic addresses that nobody may send to.'),
    outbound: ports([53]).describe(
      'UDP ports of dynamic addresses that nothing may be sent from. 123 would stop clients that ask for the time from port 123.',
    ),
  })
  .prefault({})
  .describe('What `sekisho export ip53b` makes router filters from.');

export const IP53B_SECTION = oneSection('ip53b', ip53bSchema, (ip53b): Ip53bSection => ({ ip53b }));

function networks() {
  const network = z
    .string()
    .superRefine((text, context) => {
      try {
        parsePrefix(text);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
      }
    })
    .meta({ typeText: 'networks' });
  return z.array(network).max(10_000).default([]);
}

/** UDP ports. */
function ports(defaults: number[]) {
  return z.array(z.int().min(1).max(65535)).max(100).default(defaults);
}
