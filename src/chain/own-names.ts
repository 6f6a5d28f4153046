/**
 * Questions that the server answers by itself, whatever the policy: about itself, and those that no cache can answer.
 * Runs after the guards, before policy; ANY is answered after policy, so that a rule on the name holds for it too.
 */
import { ANSWER, CONTINUE, type Verdict } from '../contract/plugin.ts';
import { CLASS, EDE, FLAG_RD, RCODE, TYPE } from '../wire/constants.ts';
import { textToName } from '../wire/name.ts';
import type { Query } from '../wire/query.ts';
import {
  ANSWER as ANSWER_SECTION,
  addRecord,
  beginRecord,
  beginReply,
  endRecord,
  put16,
  putBytes,
} from '../wire/writer.ts';

/** What the server tells about itself; absent means refused (RFC 4892 §4: it may be wise not to tell). */
export interface Identity {
  /** Answer to `version.bind` and `version.server` in class CH. */
  readonly version?: string | undefined;
  /** Answer to `id.server` and `hostname.bind` in class CH. */
  readonly id?: string | undefined;
}

/** How long clients keep the minimal answer to ANY, in seconds. */
const ANY_TTL = 3600;

/** RFC 8482 §4.2: HINFO with CPU "RFC8482" and an empty OS. */
const ANY_HINFO = Uint8Array.from([7, ...new TextEncoder().encode('RFC8482'), 0]);

export class OwnNames {
  readonly #answers: { name: Uint8Array; text: Uint8Array }[] = [];

  constructor(identity: Identity) {
    for (const [name, value] of [
      ['version.bind', identity.version],
      ['version.server', identity.version],
      ['id.server', identity.id],
      ['hostname.bind', identity.id],
    ] as const) {
      if (value === undefined) continue;
      const text = new TextEncoder().encode(value).subarray(0, 255);
      this.#answers.push({ name: textToName(name), text: Uint8Array.from([text.length, ...text]) });
    }
  }

  /** CONTINUE where the question is for the cache and the source; ANSWER where the reply has been written. */
  decide(query: Query): Verdict {
    const { type, class: qclass } = query.question;
    // The plain case first: one comparison each.
    if (qclass === CLASS.IN && type < 128 && type !== TYPE.OPT && type !== 0 && (query.flags & FLAG_RD) !== 0)
      return CONTINUE;
    if (qclass === CLASS.CH) return this.#chaos(query);
    if (qclass !== CLASS.IN) return reply(query, rcodeOfClass(qclass), EDE.NOT_SUPPORTED);
    // RFC 6891 §6.1.1: OPT is no type to ask for; type 0 is reserved (RFC 6895 §3.1).
    if (type === TYPE.OPT || type === 0) return reply(query, RCODE.FORMERR, EDE.NONE);
    // Answered by `minimalAny`, unless policy has something to say about the name.
    if (type === TYPE.ANY) return CONTINUE;
    // RFC 5936 §4: zone transfers are the authority's business.
    if (type === TYPE.AXFR || type === TYPE.IXFR) return reply(query, RCODE.REFUSED, EDE.NOT_SUPPORTED);
    // RFC 1035 §3.2.3: MAILB and MAILA are question types that nobody serves; RFC 6895 §3.1: the other meta types
    // (128–255) are none to ask for. As BIND answers them.
    if (type === TYPE.MAILB || type === TYPE.MAILA) return reply(query, RCODE.NOTIMP, EDE.NOT_SUPPORTED);
    if (type >= 128 && type <= 255) return reply(query, RCODE.FORMERR, EDE.NOT_SUPPORTED);
    // RFC 8914 §4.21: a resolver asked not to recurse refuses. It also closes a window into what others looked up.
    if ((query.flags & FLAG_RD) === 0) return reply(query, RCODE.REFUSED, EDE.NOT_AUTHORITATIVE);
    return CONTINUE;
  }

  #chaos(query: Query): Verdict {
    const { question } = query;
    if (question.type === TYPE.TXT || question.type === TYPE.ANY) {
      for (const { name, text } of this.#answers) {
        if (name.length !== question.nameLength || !name.every((byte, i) => byte === question.name[i])) continue;
        beginReply(query, RCODE.NOERROR);
        const record = beginRecord(query, ANSWER_SECTION, TYPE.TXT, 0, text.length);
        if (record < 0) return reply(query, RCODE.SERVFAIL, EDE.NONE);
        // beginRecord writes class IN: these live in CH.
        put16(query.reply, record - 6, CLASS.CH);
        putBytes(query, text);
        endRecord(query, record);
        return ANSWER;
      }
    }
    return reply(query, RCODE.REFUSED, EDE.NONE);
  }
}

/**
 * As BIND answers them: 0 is reserved, NONE and ANY are for updates (RFC 2136 §2.4) and no zone can be of them; HS is a class
 * that may have zones, just not here; any other is unknown.
 */
function rcodeOfClass(qclass: number): number {
  if (qclass === 0 || qclass === CLASS.NONE || qclass === CLASS.ANY) return RCODE.FORMERR;
  return qclass === CLASS.HS ? RCODE.REFUSED : RCODE.NOTIMP;
}

/** RFC 8482: an answer to ANY that is of no use for amplification. Neither cache nor source is asked. */
export function minimalAny(query: Query): Verdict {
  beginReply(query, RCODE.NOERROR);
  addRecord(query, ANSWER_SECTION, TYPE.HINFO, ANY_TTL, ANY_HINFO);
  return ANSWER;
}

function reply(query: Query, rcode: number, ede: number): Verdict {
  beginReply(query, rcode);
  query.ede = ede;
  return ANSWER;
}
