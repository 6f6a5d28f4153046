/**
 * Takes NOTIFY from the primaries of transferred lists (RFC 1996) on a UDP socket of its own: primaries are seldom among the
 * clients that may ask. Whoever sends one only makes us ask for the SOA, and not more often than the schedule allows.
 */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { AddressError, addressText, addressWords, type Endpoint, endpointText } from '../address/address.ts';
import { listenError } from '../errors/errors.ts';
import { judgeNotify, type NotifyZone } from './sources/dns/notify.ts';

export interface NotifyListenerParts {
  readonly listen: Endpoint;
  readonly zones: readonly NotifyZone[];
  readonly nowMs: () => number;
  /** A primary says that this zone has changed. */
  readonly notified: (zone: string) => void;
  readonly refused: (reason: string) => void;
}

export interface NotifyListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects with SekishoError where the port is not available. */
export async function listenForNotify(parts: NotifyListenerParts): Promise<NotifyListener> {
  const { listen, zones, nowMs, notified, refused } = parts;
  const socket = createSocket({ type: listen.address.includes(':') ? 'udp6' : 'udp4', reuseAddr: false });
  await bound(socket, listen);
  socket.on('error', (error) => refused(error.message));
  socket.on('message', (message, { address, port }) => {
    const verdict = judgeNotify(plain(message), canonical(address), zones, Math.floor(nowMs() / 1000));
    if (verdict.reply) socket.send(verdict.reply, port, address);
    if (verdict.accepted) notified(verdict.zone);
    else refused(verdict.reason);
  });
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** The addresses of a primary that is configured by address or by name. */
export async function primaryAddresses(host: string): Promise<string[]> {
  try {
    return [canonical(host)];
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => canonical(address));
}

function bound(socket: Socket, listen: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(listenError(`${endpointText(listen)} (transfer.notify)`, error));
    });
    socket.bind({ address: listen.address, port: listen.port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve();
    });
  });
}

function canonical(address: string): string {
  return addressText(addressWords(address));
}

/** The parsers' loops are to see one shape alone (formats/lines.ts says why). */
function plain(message: Buffer): Uint8Array {
  return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
}
