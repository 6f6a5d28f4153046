/** Packets that the micro benches feed to the packet path. */
import { encode, type Packet } from 'dns-packet';
import { Query } from '../../src/wire/query.ts';

/** Bytes that the benches write replies into. */
const REPLY_BYTES = 4096;

/** Hash key: any will do, it must only be the same within a bench. */
export const KEY0 = 0x1234567;
export const KEY1 = 0x7654321;

/** A query as a client sends it, as a plain Uint8Array. */
export function queryPacket(name: string, options: { edns?: boolean; id?: number } = {}): Uint8Array {
  const packet: Packet = {
    type: 'query',
    id: options.id ?? 4711,
    flags: 0x0100,
    questions: [{ type: 'A', name }],
    additionals: options.edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: 1232,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  };
  return Uint8Array.from(encode(packet));
}

/** A Query over `packet`, with room for a reply, as the transport hands it to the chain. */
export function queryOver(packet: Uint8Array): Query {
  const query = new Query();
  query.message = packet;
  query.start = 0;
  query.length = packet.length;
  const reply = new ArrayBuffer(REPLY_BYTES);
  query.reply = new Uint8Array(reply);
  query.replyWords = new Int32Array(reply);
  query.replyCapacity = REPLY_BYTES;
  return query;
}
