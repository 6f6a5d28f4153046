/** The socket that takes RADIUS accounting. */
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { addressText, addressWords, endpointText } from '../../address/address.ts';
import { errorText, listenError } from '../../errors/errors.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { settingsError } from '../../settings/errors.ts';
import type { LeaseBounds } from '../leases/lease-bounds.ts';
import type { LeaseDoubts } from '../leases/lease-doubts.ts';
import type { SubscriberState } from '../state.ts';
import type { RadiusConfig } from '../subscribers-config.ts';
import { Accounting, RADIUS_RESULTS, type RadiusResult } from './accounting.ts';

const RECEIVE_BUFFER_BYTES = 4 << 20;
/** Addresses whose binary form is remembered. */
const MAX_SENDERS = 1024;

export interface AccountingParts {
  readonly state: SubscriberState;
  readonly metrics: Metrics;
  readonly bounds: LeaseBounds;
  readonly doubts: LeaseDoubts;
}

/** Resolves when it listens, with the function that ends it. Rejects with SekishoError. */
export async function listenForAccounting(
  config: RadiusConfig,
  { state, metrics, bounds, doubts }: AccountingParts,
): Promise<() => Promise<void>> {
  const first = metrics.counters(
    'sekisho_radius_packets_total',
    'RADIUS accounting packets, by what came of them.',
    'result',
    RADIUS_RESULTS,
  );
  const known = metrics.gauge(
    'sekisho_radius_names',
    'What RADIUS clients call themselves (NAS-Identifier and NAS addresses), as far as it is remembered.',
  );
  const accounting = new Accounting(state, config, bounds, readSecret(config.secretFile), {
    count: (result: RadiusResult) => {
      metrics.values[first + RADIUS_RESULTS.indexOf(result)]! += 1;
      metrics.values[known] = accounting.names;
    },
    refused: (reason) => doubts.refused(reason),
    contested: () => doubts.contested(),
    nameForgotten: (client) => doubts.nameForgotten(addressText(client)),
    full: (client) => doubts.full(addressText(client)),
  });
  const { address, port } = config.listen;
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
  // Clients are few and send often; strangers push each other out.
  const senders = new Map<string, Int32Array>();
  const wordsOf = (text: string): Int32Array => {
    let words = senders.get(text);
    if (words) return words;
    words = addressWords(text.replace(/%.*$/, ''));
    if (senders.size >= MAX_SENDERS) senders.clear();
    senders.set(text, words);
    return words;
  };
  let closed = false;
  socket.on('message', (packet, remote) => {
    const response = accounting.take(packet, wordsOf(remote.address));
    if (!response) return;
    // A client that is gone is no trouble of ours.
    const answer = () => socket.send(response, remote.port, remote.address, () => {});
    if (!accounting.mustWait) answer();
    // Where it cannot be recorded, the client says it again, here or to another node of the fleet.
    else
      state.recorded().then(
        () => !closed && answer(),
        () => {},
      );
  });
  await bound(socket, address, port, `${endpointText(config.listen)} (subscribers.radius.listen)`);
  return () => {
    closed = true;
    return new Promise((resolve) => socket.close(() => resolve()));
  };
}

/** Read when it listens, and kept nowhere else. */
function readSecret(file: string): Buffer {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    throw settingsError('SEKISHO_CONFIG_INVALID', `subscribers.radius.secret-file: ${errorText(error)}`);
  }
  const secret = text.split('\n', 1)[0]?.trimEnd() ?? '';
  if (secret === '') throw settingsError('SEKISHO_CONFIG_INVALID', 'subscribers.radius.secret-file holds no secret');
  return Buffer.from(secret, 'latin1');
}

function bound(socket: Socket, address: string, port: number, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(listenError(what, error)));
    socket.bind(port, address, () => {
      socket.removeAllListeners('error');
      // Such as an unreachable client; the next packet is taken anyway.
      socket.on('error', () => {});
      resolve();
    });
  });
}
