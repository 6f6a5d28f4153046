/** Carries out what a rule says: writes the reply over whatever stands there, and gives the verdict. */

import {
  ACTION_DROP,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_REFUSED,
  ACTION_SERVFAIL,
  ACTION_TCP_ONLY,
  ANSWER,
  ANSWER_SECTION,
  AUTHORITY,
  addOwnedRecord,
  addRecordRange,
  addSoa,
  asksForAlias,
  beginReply,
  COMPLETE,
  CONTINUE,
  DATA_RDATA_AT,
  DATA_TTL_AT,
  DROP,
  EDE,
  FAIL,
  type PolicyIndex,
  type PolicyZoneFacts,
  type Query,
  RCODE,
  TRUNCATE,
  TYPE,
  transportOf,
  type Verdict,
} from '../../src/contract/plugin.ts';
import type { Matcher } from './matcher.ts';
import { ACTION_CNAME } from './policies.ts';
import type { ReplyView } from './reply-view.ts';

/** The question's name in a reply: behind the header. */
const QUESTION_AT = 12;
/** Seconds for which negative answers of a zone without an SOA may be kept. */
const NEGATIVE_TTL = 60;
/** Longest time anything is to be kept (RFC 2181 §8). */
const MAX_TTL = 0x7fffffff;

const text = new TextEncoder();
const BLOCKED = text.encode('blocked by a response policy');
const REWRITTEN = text.encode('rewritten by a response policy');

export class Responder {
  readonly #matcher: Matcher;
  readonly #view: ReplyView;

  readonly #maxTtl: number;

  /** `maxTtl`: seconds for which anything that policy says may be kept. */
  constructor(matcher: Matcher, view: ReplyView, maxTtl: number) {
    this.#matcher = matcher;
    this.#view = view;
    this.#maxTtl = maxTtl;
  }

  /** Do what the rule in the matcher says about the name at `position` of the view. */
  carryOut(query: Query, position: number, zone: PolicyZoneFacts | undefined): Verdict {
    switch (this.#matcher.action) {
      case ACTION_DROP:
        return DROP;
      case ACTION_TCP_ONLY:
        // §3.4: over TCP this means PASSTHRU, which is what becomes of TRUNCATE there.
        query.rcode = RCODE.NOERROR;
        return TRUNCATE;
      case ACTION_NXDOMAIN:
        return this.#negative(query, position, RCODE.NXDOMAIN, zone);
      case ACTION_NODATA:
        return this.#negative(query, position, RCODE.NOERROR, zone);
      case ACTION_REFUSED:
        return this.#bare(query, position, RCODE.REFUSED);
      case ACTION_SERVFAIL:
        return this.#bare(query, position, RCODE.SERVFAIL);
      case ACTION_CNAME:
        return this.#redirect(query, position);
      case ACTION_LOCAL_DATA:
        return this.#localData(query, position, zone);
      default:
        return CONTINUE;
    }
  }

  #negative(query: Query, position: number, rcode: number, zone: PolicyZoneFacts | undefined): Verdict {
    if (this.#begin(query, position, rcode, EDE.BLOCKED, BLOCKED) < 0) return tooLong(query);
    return addZoneSoa(query, zone, this.#maxTtl) ? ANSWER : tooLong(query);
  }

  /** A response code and nothing else. */
  #bare(query: Query, position: number, rcode: number): Verdict {
    return this.#begin(query, position, rcode, EDE.BLOCKED, BLOCKED) < 0 ? tooLong(query) : ANSWER;
  }

  #redirect(query: Query, position: number): Verdict {
    const { target } = this.#matcher;
    // RFC 6672 §2.2 has this rcode where a DNAME's result is too long; BIND answers likewise.
    if (target.length === 0)
      return this.#begin(query, position, RCODE.YXDOMAIN, EDE.BLOCKED, BLOCKED) < 0 ? tooLong(query) : ANSWER;
    const ownerAt = this.#begin(query, position, RCODE.NOERROR, EDE.FORGED_ANSWER, REWRITTEN);
    const { bytes, length } = target;
    const ttl = Math.min(target.ttl, this.#maxTtl);
    if (ownerAt < 0 || !addRecordRange(query, ANSWER_SECTION, ownerAt, TYPE.CNAME, ttl, bytes, 0, length))
      return tooLong(query);
    return asksForAlias(query.question.type) ? ANSWER : COMPLETE;
  }

  /** §3.6: records of the type asked for; where the name has others only, NODATA. */
  #localData(query: Query, position: number, zone: PolicyZoneFacts | undefined): Verdict {
    const rules = this.#matcher.rules as PolicyIndex;
    const { data } = rules;
    const { type } = query.question;
    const ownerAt = this.#begin(query, position, RCODE.NOERROR, EDE.FORGED_ANSWER, REWRITTEN);
    if (ownerAt < 0) return tooLong(query);
    let found = false;
    for (let i = 0; i < rules.dataCount; i++) {
      const at = rules.dataStart(i);
      const own = (data[at]! << 8) | data[at + 1]!;
      if (own !== type && type !== TYPE.ANY) continue;
      const ttlAt = at + DATA_TTL_AT;
      const given =
        ((data[ttlAt]! << 24) | (data[ttlAt + 1]! << 16) | (data[ttlAt + 2]! << 8) | data[ttlAt + 3]!) & MAX_TTL;
      const ttl = Math.min(given, this.#maxTtl);
      if (!addRecordRange(query, ANSWER_SECTION, ownerAt, own, ttl, data, at + DATA_RDATA_AT, rules.dataEnd(i)))
        return tooLong(query);
      found = true;
    }
    return found || addZoneSoa(query, zone, this.#maxTtl) ? ANSWER : tooLong(query);
  }

  /**
   * Begin the reply with the CNAMEs that lead to the name at `position` (§5.1: what came before the name is kept). They
   * are rewritten, without signatures: what follows would not validate. Returns where that name stands, or -1.
   */
  #begin(query: Query, position: number, rcode: number, ede: number, edeText: Uint8Array): number {
    // Also takes the AD flag away: nobody has validated this.
    beginReply(query, rcode);
    query.ede = ede;
    query.edeText = edeText;
    const { names, ttls } = this.#view;
    let ownerAt = QUESTION_AT;
    for (let i = 0; i < position; i++) {
      const next = names[i + 1]!;
      if (!addRecordRange(query, ANSWER_SECTION, ownerAt, TYPE.CNAME, ttls[i]!, next.bytes, 0, next.length)) return -1;
      ownerAt = query.replyLength - next.length;
    }
    return ownerAt;
  }
}

/** RFC 2308 §3, §5: the SOA, with the time for which the lack of an answer may be kept. */
function addZoneSoa(query: Query, zone: PolicyZoneFacts | undefined, maxTtl: number): boolean {
  if (zone?.soa === undefined) return addSoa(query, Math.min(NEGATIVE_TTL, maxTtl));
  const { name, soa, soaTtl, minimumSeconds } = zone;
  const ttl = Math.min(soaTtl, minimumSeconds, maxTtl);
  return addOwnedRecord(query, AUTHORITY, name, name.length, TYPE.SOA, ttl, soa, soa.length);
}

/** Over UDP the client comes back over TCP; a message that even that cannot hold is not sent. */
function tooLong(query: Query): Verdict {
  return transportOf(query).mayTruncate ? TRUNCATE : FAIL;
}
