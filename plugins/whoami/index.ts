/**
 * The example to copy: answers one name with what the server knows of whoever asks. README.md comes first, then this
 * glue; an algorithm of any size gets a file of its own beside it.
 */
import {
  ADDITIONAL,
  ANSWER,
  ANSWER_SECTION,
  addRecord,
  addSoa,
  beginReply,
  CONTINUE,
  definePlugin,
  NameError,
  nameToText,
  type Query,
  RCODE,
  TYPE,
  textToName,
  transportOf,
  z,
} from '../../src/contract/plugin.ts';

export default definePlugin({
  name: 'whoami',
  stage: 'policy',
  summary: "answers one name with the client's own address, port and transport",
  options: z.strictObject({
    name: z.string().default('whoami.sekisho.internal').describe('The name that is answered.'),
  }),
  check({ name }) {
    try {
      textToName(name);
      return [];
    } catch (error) {
      if (error instanceof NameError) return [{ path: ['name'], message: `'${name}' ${error.message}` }];
      throw error;
    }
  },
  data({ options, counter, counters }) {
    const name = textToName(options.name);
    const answered = counter('answered', 'Queries for the name.');
    // Written into for each answer: nothing is allocated, and only a query for this very name pays at all.
    const address = { [TYPE.A]: new Uint8Array(4), [TYPE.AAAA]: new Uint8Array(16) };
    const service = new Uint8Array([0, 0, 0, 0, 0, 0, 0]);
    return {
      query(query) {
        if (!isName(query, name)) return CONTINUE;
        counters[answered]! += 1;
        beginReply(query, RCODE.NOERROR);
        const type = query.family === 4 ? TYPE.A : TYPE.AAAA;
        const asked = query.question.type;
        if (asked === type) {
          putAddress(query, address[type]);
          addRecord(query, ANSWER_SECTION, type, 0, address[type]);
        } else {
          addSoa(query, 0);
        }
        // An SRV record carries the port, its weight the transport's number: 17 is UDP, 6 is TCP.
        service[3] = transportOf(query).stream ? 6 : 17;
        service[4] = query.port >>> 8;
        service[5] = query.port & 255;
        addRecord(query, ADDITIONAL, TYPE.SRV, 0, service);
        return ANSWER;
      },
      explain(query) {
        return isName(query, name)
          ? { reason: `${options.name} is answered with the client's own address` }
          : { reason: `${nameToText(query.question.name)} is not ${options.name}` };
      },
    };
  },
});

function isName(query: Query, name: Uint8Array): boolean {
  const { question } = query;
  if (question.nameLength !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (question.name[i] !== name[i]) return false;
  return true;
}

function putAddress(query: Query, bytes: Uint8Array): void {
  const from = 16 - bytes.length;
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = query.clientWords[(from + i) >> 2]! >>> (24 - (((from + i) & 3) << 3));
}
