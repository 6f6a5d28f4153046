/** What writing a reply costs (src/wire/writer.ts): own answers, errors, and the OPT record behind them. */

import { RCODE, TYPE } from '../../src/wire/constants.ts';
import type { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { ANSWER, addRecord, addSoa, beginReply, finishReply } from '../../src/wire/writer.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

const ADDRESS = Uint8Array.of(192, 0, 2, 1);

function writing(name: string, edns: boolean, write: (query: Query) => void): Case {
  const query = queryOver(queryPacket('www.host.example.net', { edns }));
  readQuery(query, KEY0, KEY1);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        write(query);
        sum += query.replyLength;
      }
      return sum;
    },
  };
}

function refuse(query: Query): void {
  beginReply(query, RCODE.REFUSED);
  finishReply(query);
}

function answerAddress(query: Query): void {
  beginReply(query, RCODE.NOERROR);
  addRecord(query, ANSWER, TYPE.A, 30, ADDRESS);
  finishReply(query);
}

function answerNoData(query: Query): void {
  beginReply(query, RCODE.NOERROR);
  addSoa(query, 30);
  finishReply(query);
}

compare('wire/writer.ts', [
  writing('REFUSED', false, refuse),
  writing('REFUSED, EDNS', true, refuse),
  writing('one A record, EDNS', true, answerAddress),
  writing('NODATA with SOA, EDNS', true, answerNoData),
]);
