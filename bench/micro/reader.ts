/** What reading a query costs (src/wire/reader.ts), beside the ecosystem's codec as a yardstick. */
import { decode } from 'dns-packet';
import { READ_OK, readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

const LONG_NAME = `${'a-rather-long-label.'.repeat(6)}subscriber.example.net`;

function reading(name: string, packet: Uint8Array): Case {
  const query = queryOver(packet);
  query.reset();
  if (readQuery(query, KEY0, KEY1) !== READ_OK) throw new Error(`${name}: the packet does not parse`);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        query.reset();
        sum += readQuery(query, KEY0, KEY1) + query.question.hashLow;
      }
      return sum;
    },
  };
}

function decoding(name: string, packet: Uint8Array): Case {
  const bytes = Buffer.from(packet);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += decode(bytes).id ?? 0;
      return sum;
    },
  };
}

compare('wire/reader.ts: readQuery', [
  reading('4 labels', queryPacket('www.host.example.net')),
  reading('4 labels, EDNS', queryPacket('www.host.example.net', { edns: true })),
  reading(
    `${LONG_NAME.split('.').length} labels, ${LONG_NAME.length} bytes, EDNS`,
    queryPacket(LONG_NAME, { edns: true }),
  ),
  decoding('dns-packet decode: 4 labels, EDNS', queryPacket('www.host.example.net', { edns: true })),
]);
