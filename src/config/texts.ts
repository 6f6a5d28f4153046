/** Text of the configuration that becomes a value of the program. */
import { z } from 'zod';
import { AddressError, type Endpoint, parseEndpoint, parsePrefix } from '../address/address.ts';
import { textToName } from '../wire/name.ts';

/** Text that becomes an endpoint. */
export function endpoint(options: { defaultPort?: number; minPort?: 0 | 1 }) {
  return z
    .string()
    .transform((text, context): Endpoint => {
      try {
        return parseEndpoint(text, options);
      } catch (error) {
        return complain(error, context);
      }
    })
    .meta({
      typeText:
        options.defaultPort === undefined ? 'address:port' : `address:port (port ${options.defaultPort} unless given)`,
    });
}

/** Text that is a network; stays text, because that is what plugins are told (plugin.ts ServerFacts). */
export function prefix() {
  return z
    .string()
    .superRefine((text, context) => {
      try {
        parsePrefix(text);
      } catch (error) {
        complain(error, context);
      }
    })
    .meta({ typeText: 'networks' });
}

/** Say what is wrong with an address as the schema's own finding. */
export function complain(error: unknown, context: z.RefinementCtx): never {
  if (!(error instanceof AddressError)) throw error;
  context.addIssue({ code: 'custom', message: error.message });
  return z.NEVER;
}

export function isName(text: string): boolean {
  try {
    textToName(text);
    return true;
  } catch {
    return false;
  }
}
