/** Asks addresses one question each over UDP, at a bounded rate, and collects who answers. */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { FLAG_RA, FLAG_RD, rcodeName, TYPE } from '../wire/constants.ts';

/** How long the last answers are waited for. */
const LAST_MS = 2000;

export interface OpenResolver {
  readonly address: string;
  readonly rcode: string;
  /** It offered recursion, and answered with records: whoever asks is served. */
  readonly recursion: boolean;
  /** Size of its answer; the question had 17. */
  readonly bytes: number;
}

export interface ScanOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  /** Addresses a second. */
  readonly rate: number;
  /** This server's own addresses. */
  readonly skip: readonly string[];
  readonly lastMs?: number;
}

/** Resolves with those that answered, in the order of `addresses`. */
export async function scanForResolvers(options: ScanOptions): Promise<OpenResolver[]> {
  const { addresses, port, rate, skip, lastMs = LAST_MS } = options;
  const asked = new Set(addresses.filter((address) => !skip.includes(address)));
  const found = new Map<string, OpenResolver>();
  const id = randomInt(65536);
  const sockets = new Map<boolean, Socket>();
  const socketFor = (address: string): Socket => {
    const v6 = isIPv6(address);
    const known = sockets.get(v6);
    if (known) return known;
    const socket = createSocket(v6 ? 'udp6' : 'udp4');
    socket.on('message', (message, from) => {
      // Only from where we asked, and to what we asked.
      if (!asked.has(from.address) || from.port !== port || message.length < 12) return;
      if (message.readUInt16BE(0) !== id || (message[2]! & 0x80) === 0) return;
      found.set(from.address, describe(from.address, message));
    });
    // Unreachable addresses say so; that is an answer too, and not one that is of interest.
    socket.on('error', () => {});
    sockets.set(v6, socket);
    return socket;
  };
  const question = questionOf(id);
  try {
    for (const address of asked) {
      socketFor(address).send(question, port, address, () => {});
      await pause(1000 / rate);
    }
    await pause(lastMs);
  } finally {
    for (const socket of sockets.values()) socket.close();
  }
  return addresses.flatMap((address) => found.get(address) ?? []);
}

/** `. NS`, recursion desired: what every resolver knows. */
function questionOf(id: number): Uint8Array {
  return Uint8Array.from([id >>> 8, id & 255, FLAG_RD >>> 8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, TYPE.NS, 0, 1]);
}

function describe(address: string, message: Buffer): OpenResolver {
  const flags = message.readUInt16BE(2);
  const recursion = (flags & FLAG_RA) !== 0 && (flags & 15) === 0 && message.readUInt16BE(6) > 0;
  return { address, rcode: rcodeName(flags & 15), recursion, bytes: message.length };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
