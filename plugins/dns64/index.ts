/** DNS64 (RFC 6147) for networks with a NAT64 translator. Options, metrics and an example: README.md. */
import {
  ANSWER,
  ANSWER_SECTION,
  addOwnedRecord,
  addRecord,
  addSoa,
  beginReply,
  CLASS,
  COMPLETE,
  CONTINUE,
  definePlugin,
  EDE,
  LOOK_UP,
  MessageName,
  nameToText,
  PrefixSet,
  parsePrefix,
  type Query,
  RCODE,
  RecordCursor,
  TYPE,
  textToName,
  type Verdict,
} from '../../src/contract/plugin.ts';
import { checkOptions, dns64Options, untranslated } from './options.ts';
import { ipv4Reverse, ipv6OfReverse } from './reverse-names.ts';
import { Translation } from './translation.ts';

/** RFC 6147 §5.1.7: where no SOA says for how long the lack of AAAA holds. Seconds. */
const DEFAULT_TTL = 600;
/** RFC 8880 §7.1: seconds for the server's own answers. */
const OWN_TTL = 600;
/** Flags of a reply's header. */
const AD = 0x20;
/** Extended errors that say that an answer was found false (RFC 8914): nothing is made up in its place. */
const BOGUS = new Set([5, 6, 7, 8, 9, 10, 11, 12, 25]);
/** RFC 7050 §8.2. */
const IPV4_ONLY = textToName('ipv4only.arpa');
const IPV4_ONLY_ADDRESSES = [Uint8Array.of(192, 0, 0, 170), Uint8Array.of(192, 0, 0, 171)];

export default definePlugin({
  name: 'dns64',
  stage: 'answer',
  summary: 'makes IPv6 addresses of IPv4 ones for networks with a NAT64 translator',
  options: dns64Options,
  check: checkOptions,
  data({ options, counter, counters }) {
    const translation = new Translation(options.prefix);
    const clients = options.clients && new PrefixSet(options.clients.map(parsePrefix));
    const excluded = new PrefixSet(options.exclude.map(parsePrefix));
    const notTranslated = new PrefixSet(untranslated(options).map(parsePrefix));
    const excludedNames = options['exclude-names'].map(textToName);
    const made = counter('synthesized', 'AAAA answers made of A records.');
    const reversed = counter('reversed', 'PTR queries led to the name of the IPv4 address.');
    const own = counter('ipv4only', 'Queries for ipv4only.arpa and names below it (RFC 8880).');
    const unavailable = counter('unavailable', 'AAAA queries whose A records were not available.');
    const cursor = new RecordCursor();
    const name = new MessageName();
    const target = new MessageName();
    const ipv6 = new Uint8Array(16);
    const ipv4 = new Uint8Array(4);
    const words = new Int32Array(4);

    const isServed = (query: Query) => {
      const { question } = query;
      if (question.class !== CLASS.IN || (clients !== undefined && !clients.has(query.clientWords))) return false;
      // RFC 6147 §5.5: who validates by itself would find what is made up to be false.
      return !(question.dnssecOk && question.checkingDisabled);
    };

    /** The reply holds an AAAA record that is not excluded. */
    function hasAddress({ reply, replyStart, replyLength }: Query): boolean {
      if (!cursor.open(reply, replyStart, replyLength)) return true;
      while (cursor.next()) {
        if (cursor.section !== 0 || cursor.type !== TYPE.AAAA || cursor.dataEnd - cursor.dataStart !== 16) continue;
        putWords(reply, cursor.dataStart, words);
        if (!excluded.has(words)) return true;
      }
      return cursor.broken;
    }

    /** RFC 6147 §5.1.7: how long the lack of AAAA holds. */
    function lackTtl({ reply, replyStart, replyLength }: Query): number {
      let ttl = DEFAULT_TTL;
      if (!cursor.open(reply, replyStart, replyLength)) return ttl;
      while (cursor.next()) if (cursor.section === 1 && cursor.type === TYPE.SOA) ttl = cursor.ttl;
      return ttl;
    }

    function mayTranslate(bytes: Uint8Array, at: number): boolean {
      words[0] = 0;
      words[1] = 0;
      words[2] = 0xffff;
      words[3] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      return !notTranslated.has(words);
    }

    function countTranslatable(message: Uint8Array, length: number): number {
      let count = 0;
      if (!cursor.open(message, 0, length)) return 0;
      while (cursor.next())
        if (cursor.section === 0 && cursor.type === TYPE.A && mayTranslate(message, cursor.dataStart)) count++;
      return cursor.broken ? 0 : count;
    }

    /** Write the answer section of `message` with AAAA in place of A. False where it does not fit. */
    function write(query: Query, message: Uint8Array, length: number, most: number): boolean {
      cursor.open(message, 0, length);
      while (cursor.next()) {
        const { section, type, owner, dataStart, dataEnd } = cursor;
        if (section !== 0) continue;
        const ttl = Math.min(cursor.ttl, most);
        if (!name.read(message, owner, length, 0)) return false;
        if (type === TYPE.A) {
          if (!mayTranslate(message, dataStart)) continue;
          translation.embed(message, dataStart, ipv6);
          if (!add(query, name, TYPE.AAAA, ttl, ipv6, 16)) return false;
        } else if (type === TYPE.CNAME || type === TYPE.DNAME) {
          if (!target.read(message, dataStart, dataEnd, 0)) return false;
          if (!add(query, name, type, ttl, target.bytes, target.length)) return false;
        } else if (type === TYPE.RRSIG && ((message[dataStart]! << 8) | message[dataStart + 1]!) !== TYPE.A) {
          if (!add(query, name, type, ttl, message.subarray(dataStart, dataEnd), dataEnd - dataStart)) return false;
        }
      }
      return !cursor.broken;
    }

    function ownName(query: Query): Verdict {
      const { question } = query;
      // RFC 8880 §7.1: DS is the parent's, and is looked up the usual way.
      if (question.type === TYPE.DS && question.nameLength === IPV4_ONLY.length) return CONTINUE;
      counters[own]! += 1;
      const isIt = question.nameLength === IPV4_ONLY.length;
      beginReply(query, isIt ? RCODE.NOERROR : RCODE.NXDOMAIN);
      if (!isIt || (question.type !== TYPE.A && question.type !== TYPE.AAAA)) addSoa(query, OWN_TTL);
      else
        for (const address of IPV4_ONLY_ADDRESSES) {
          translation.embed(address, 0, ipv6);
          addRecord(query, ANSWER_SECTION, question.type, OWN_TTL, question.type === TYPE.A ? address : ipv6);
        }
      return ANSWER;
    }

    function wants(query: Query): boolean {
      const { question, decidedBy, rcode, ede } = query;
      if (question.type !== TYPE.AAAA || !isServed(query)) return false;
      // What a policy has answered stays as it is; a name that does not exist has no addresses (RFC 6147 §5.1.2).
      if (decidedBy >= 0 || rcode === RCODE.NXDOMAIN || rcode === RCODE.REFUSED) return false;
      if (rcode !== RCODE.NOERROR && BOGUS.has(ede)) return false;
      return !excludedNames.some((each) => isAtOrBelow(query, each)) && !hasAddress(query);
    }

    return {
      query(query) {
        const { question } = query;
        if (question.type === TYPE.PTR && isServed(query)) {
          if (!ipv6OfReverse(question, ipv6) || !translation.extract(ipv6, ipv4)) return CONTINUE;
          if (!mayTranslate(ipv4, 0)) return CONTINUE;
          // RFC 6147 §5.3.1, second way.
          counters[reversed]! += 1;
          beginReply(query, RCODE.NOERROR);
          addRecord(query, ANSWER_SECTION, TYPE.CNAME, OWN_TTL, ipv4Reverse(ipv4));
          return COMPLETE;
        }
        return isServed(query) && isAtOrBelow(query, IPV4_ONLY) ? ownName(query) : CONTINUE;
      },
      answer(query) {
        if (!wants(query)) return CONTINUE;
        query.soughtType = TYPE.A;
        return LOOK_UP;
      },
      found(query, message, length, authentic) {
        const rcode = message[3]! & 15;
        if (length === 0 || (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)) {
          counters[unavailable]! += 1;
          return CONTINUE;
        }
        if (countTranslatable(message, length) === 0) return CONTINUE;
        const most = lackTtl(query);
        // RFC 6147 §5.5: both that there is no AAAA, and what A there is, were validated.
        const secure = authentic && (query.reply[query.replyStart + 3]! & AD) !== 0;
        // An address was found after all.
        if (query.rcode !== RCODE.NOERROR) query.ede = EDE.NONE;
        beginReply(query, RCODE.NOERROR, secure ? AD : 0);
        // What does not fit is cut like every other reply.
        write(query, message, length, most);
        counters[made]! += 1;
        return ANSWER;
      },
      explain(query, hook, verdict) {
        const asked = nameToText(query.question.name.slice(0, query.question.nameLength));
        if (hook === 'query')
          return {
            reason:
              verdict === COMPLETE
                ? `the address inside ${options.prefix} is that of an IPv4 host: its name is looked up`
                : verdict === ANSWER
                  ? `${asked} is answered with the translator’s prefix (RFC 8880)`
                  : 'no reverse name of the translator’s prefix, and not ipv4only.arpa',
          };
        if (verdict === undefined)
          return { reason: `AAAA without an address would be made of A records, with ${options.prefix}` };
        return {
          reason:
            verdict === LOOK_UP
              ? `there is no IPv6 address: A is looked up, and put into ${options.prefix}`
              : 'nothing is made up: another type, an IPv6 address, another plugin’s answer, or a client or name that is excepted',
        };
      },
    };
  },
});

function putWords(bytes: Uint8Array, at: number, words: Int32Array): void {
  for (let i = 0; i < 4; i++, at += 4)
    words[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function add(query: Query, owner: MessageName, type: number, ttl: number, data: Uint8Array, length: number): boolean {
  if (sameAsQuestion(query, owner))
    return addRecord(query, ANSWER_SECTION, type, ttl, length === data.length ? data : data.subarray(0, length));
  return addOwnedRecord(query, ANSWER_SECTION, owner.bytes, owner.length, type, ttl, data, length);
}

function sameAsQuestion({ question }: Query, { bytes, length }: MessageName): boolean {
  if (question.nameLength !== length) return false;
  for (let i = 0; i < length; i++) if (question.name[i] !== bytes[i]) return false;
  return true;
}

/** The question's name is `zone` or lies below it. */
function isAtOrBelow({ question }: Query, zone: Uint8Array): boolean {
  const from = question.nameLength - zone.length;
  if (from < 0) return false;
  for (let i = 0; i < zone.length; i++) if (question.name[from + i] !== zone[i]) return false;
  if (from === 0 || zone.length === 1) return true;
  // The bytes agree; they have to begin at a label, too.
  for (let i = 0; i < question.labelCount; i++) if (question.labelStarts[i] === from) return true;
  return false;
}
