/**
 * Everything that a configuration listens on, tried before anything else is begun: a start that fails for an address says so
 * at once, with all the addresses that are not available, and not after millions of names were read. Where somebody takes an
 * address between this look and the real one, the real one says the same.
 */

import { addressWords, type Endpoint, endpointText } from '../address/address.ts';
import type { Config } from '../config/config.ts';
import { listenError, SekishoError } from '../errors/errors.ts';
import { EADDRNOTAVAIL, EAFNOSUPPORT } from '../system/libc.ts';
import { socketKinds } from '../transports/listeners.ts';
import { refuseTakenAddress, SocketError } from '../transports/sockets.ts';

export interface ListeningPlace {
  readonly setting: string;
  readonly endpoint: Endpoint;
  readonly transports: readonly ('udp' | 'tcp')[];
  /** Which refusals are no reason to fail, because nobody asked for this address. */
  readonly optional: 'no' | 'where missing' | 'always';
}

export function listeningPlaces(config: Config): ListeningPlace[] {
  const { server, admin, subscribers, transfer, notice } = config;
  const radius = subscribers?.radius?.listen;
  return [
    ...server.listen.map((endpoint): ListeningPlace => {
      const optional = server.listenIsDefault ? 'where missing' : 'no';
      return { setting: 'server.listen', endpoint, transports: socketKinds(endpoint), optional };
    }),
    { setting: 'admin.listen', endpoint: admin.listen, transports: ['tcp'], optional: 'no' },
    ...(radius ? [only('subscribers.radius.listen', radius, 'udp')] : []),
    ...(transfer.notify ? [only('transfer.notify', transfer.notify, 'udp')] : []),
    ...notice.listen.map((endpoint): ListeningPlace => {
      const optional = notice.listenIsDefault ? 'always' : 'no';
      return { setting: 'notice.listen', endpoint, transports: ['tcp'], optional };
    }),
  ];
}

/** Throws SekishoError where an address of the configuration is taken, forbidden or not on this machine. Needs the C library. */
export function refuseTakenAddresses(config: Config): void {
  const refused = listeningPlaces(config).flatMap((place) => {
    const error = refusal(place);
    return error === undefined ? [] : [error];
  });
  const [first, ...others] = refused;
  if (first === undefined) return;
  throw new SekishoError(first.code, first, first.message, {
    cause: first.cause,
    details: others.map((each) => each.message),
  });
}

function only(setting: string, endpoint: Endpoint, transport: 'udp' | 'tcp'): ListeningPlace {
  return { setting, endpoint, transports: [transport], optional: 'no' };
}

function refusal({ setting, endpoint, transports, optional }: ListeningPlace): SekishoError | undefined {
  if (optional === 'always') return undefined;
  const address = addressWords(endpoint.address);
  try {
    for (const transport of transports) refuseTakenAddress(transport, address, endpoint.port);
    return undefined;
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    const missing = error.errno === EADDRNOTAVAIL || error.errno === EAFNOSUPPORT;
    if (missing && optional === 'where missing') return undefined;
    return listenError(`${endpointText(endpoint)} (${setting})`, error);
  }
}
