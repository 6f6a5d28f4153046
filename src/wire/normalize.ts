/**
 * Turns a response as an upstream sent it into one that the cache may keep: checked in every byte that it keeps, reduced
 * to what belongs to the question, every name in it written by us.
 *
 *   read     walk all records, intern their owners, note CNAMEs and the lowest TTL of each RRset
 *   chain    qname ─CNAME▶ target ─CNAME▶ … ─▶ final name; what stands above any of them is marked
 *   write    records that belong to the chain, in its order, names compressed again; OPT, signatures of the transaction,
 *            name servers and, without DO, the records of DNSSEC are left out
 *
 * Only class IN is kept. Nothing is allocated; work is bounded by the message's length and the limits of NameTree.
 */
import { type Answer, FAILURE, MAX_RECORDS, NODATA, NXDOMAIN, POSITIVE } from './answer.ts';
import { CLASS, EDE, EDNS_OPTION, FLAG_AA, HEADER_BYTES, MAX_MESSAGE_BYTES, RCODE, TYPE } from './constants.ts';
import { MAX_NODES, NameTree, ROOT } from './name-tree.ts';
import { copyPlainAnswer } from './plain-answer.ts';
import type { Question } from './question.ts';
import { RecordCursor } from './records.ts';
import { put16, put32 } from './writer.ts';

const ANSWER = 0;
const AUTHORITY = 1;
const ADDITIONAL = 2;

/** Flags of a name's node. On the chain from qname: */
const ON_CHAIN = 1;
/** … and its CNAME was followed. */
const FOLLOWED = 2;
/** Above a name of the chain. */
const ABOVE = 4;
/** Occurs in a record kept, so its addresses may be kept, too. */
const MENTIONED = 8;

/** RRsets that one owner may have in one section: each new record looks through them. */
const MAX_SETS_PER_NAME = 256;
/** Marks the key of an RRset of signatures, beside the type covered. */
const SIGNATURES = 0x10000;

/** CNAMEs followed in one message; BIND follows 11 (max-restarts). */
export const MAX_CHAIN = 16;

/** A TTL with no record to lower it. */
const NO_TTL = 0x7fffffff;

export interface NormalizerOptions {
  /**
   * Keep NS records of zones above the name, for policies on name servers; never those of the root and of top-level domains.
   * Without it all are left out: whose they are, the zone's or a parent's, cannot be told, and a client has no use for them.
   */
  readonly nameServers?: boolean;
  /**
   * The server is an authority for this zone (wire form, lower case) and nothing else: a CNAME that leads out of it ends the
   * answer, which is `incomplete` then. Questions are in the zone.
   */
  readonly within?: Uint8Array;
}

export class Normalizer {
  readonly #cursor = new RecordCursor();
  readonly #tree = new NameTree();
  // One entry for each record read.
  readonly #owner = new Uint16Array(MAX_RECORDS);
  readonly #type = new Uint16Array(MAX_RECORDS);
  /** Type covered of a signature, the record's own type elsewhere. */
  readonly #concerns = new Uint16Array(MAX_RECORDS);
  readonly #dataStart = new Int32Array(MAX_RECORDS);
  readonly #dataEnd = new Int32Array(MAX_RECORDS);
  /** The RRset, which is the index of its first record. */
  readonly #set = new Uint16Array(MAX_RECORDS);
  /** Node of a CNAME's target. */
  readonly #target = new Uint16Array(MAX_RECORDS);
  // One entry for each RRset, at the index of its first record.
  readonly #setKey = new Int32Array(MAX_RECORDS);
  readonly #setNext = new Int16Array(MAX_RECORDS);
  readonly #setTtl = new Int32Array(MAX_RECORDS);
  /** Place in the chain of a name on it; of a name above, the place of the first name below. By node. */
  readonly #place = new Uint8Array(MAX_NODES);
  readonly #placeBelow = new Uint8Array(MAX_NODES);
  /** When each record of the answer section is written: a DNAME before the CNAME made from it; -1 = it does not belong. */
  readonly #turn = new Int8Array(MAX_RECORDS);
  readonly #nameServers: boolean;
  /** Labels of the zone that the server is believed about; -1 = about everything. */
  readonly #zoneLabels: number;
  /** The chain has left that zone. */
  #outside = false;
  /** Index of the first record of the authority section, of the additional section, and behind the last. */
  #authorityFrom = 0;
  #additionalFrom = 0;
  #count = 0;
  #hasEdns = false;
  #rcode = 0;
  #ede: number = EDE.NONE;
  #at = 0;

  /** The last message had an OPT record. */
  get hasEdns(): boolean {
    return this.#hasEdns;
  }

  constructor({ nameServers = false, within }: NormalizerOptions = {}) {
    this.#nameServers = nameServers;
    this.#zoneLabels = within ? labelsOf(within) : -1;
  }

  /**
   * Check the response of `length` bytes at `start` and write it into `answer`. `question` is what was asked; bytes are
   * only read. Everything in `answer` is set but `authenticData`, which becomes false: it is the caller's to decide.
   * Returns false where the message is broken or does not answer the question; `answer` is undefined then.
   */
  normalize(bytes: Uint8Array, start: number, length: number, question: Question, answer: Answer): boolean {
    const questionEnd = HEADER_BYTES + question.nameLength + 4;
    if (length < questionEnd || length > MAX_MESSAGE_BYTES || !sameQuestion(bytes, start, question)) return false;
    const plain = copyPlainAnswer(bytes, start, length, question, answer);
    if (plain >= 0) {
      this.#hasEdns = plain === 1;
      return true;
    }
    return this.normalizeInFull(bytes, start, length, question, answer);
  }

  /** The same without the short way for plain answers; the question was compared. */
  normalizeInFull(bytes: Uint8Array, start: number, length: number, question: Question, answer: Answer): boolean {
    const questionEnd = HEADER_BYTES + question.nameLength + 4;
    this.#tree.reset(bytes, start, length, questionEnd);
    const qname = this.#tree.intern(start + HEADER_BYTES);
    if (qname < 0) return false;
    this.#tree.setWritten(qname, HEADER_BYTES);
    if (!this.#read(bytes, start, length)) return false;

    const rcode = (bytes[start + 3]! & 15) | this.#rcode;
    answer.rcode = rcode;
    answer.ede = this.#ede;
    answer.authenticData = false;
    answer.ttl = 0;
    answer.ttlCount = 0;
    answer.kind = FAILURE;
    answer.incomplete = false;
    writeQuestion(question, rcode, answer);
    answer.length = questionEnd;
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN && rcode !== RCODE.YXDOMAIN) return true;

    const authoritative = (((bytes[start + 2]! << 8) | bytes[start + 3]!) & FLAG_AA) !== 0;
    return this.#write(bytes, question, answer, qname, authoritative);
  }

  /** Read all records. Returns false where the message is broken. */
  #read(bytes: Uint8Array, start: number, length: number): boolean {
    const cursor = this.#cursor;
    const tree = this.#tree;
    this.#count = 0;
    this.#authorityFrom = 0;
    this.#additionalFrom = 0;
    this.#hasEdns = false;
    this.#rcode = 0;
    this.#ede = EDE.NONE;
    if (!cursor.open(bytes, start, length)) return false;
    while (cursor.next()) {
      const { type, section, dataStart, dataEnd } = cursor;
      if (type === TYPE.OPT) {
        if (!this.#readOpt()) return false;
        continue;
      }
      // RFC 8945 §5.1, RFC 2931 §3: signatures of the transaction end here, like the transaction.
      if (cursor.class !== CLASS.IN || type === TYPE.TSIG || type === TYPE.TKEY) continue;
      const size = dataEnd - dataStart;
      if ((type === TYPE.A && size !== 4) || (type === TYPE.AAAA && size !== 16)) return false;
      const signature = type === TYPE.RRSIG || type === TYPE.SIG;
      if (signature && size < 19) return false;
      const concerns = signature ? (bytes[dataStart]! << 8) | bytes[dataStart + 1]! : type;
      if (type === TYPE.SIG && concerns === 0) continue;
      const owner = tree.intern(cursor.owner);
      if (owner < 0) return false;

      const i = this.#count++;
      if (section < AUTHORITY) this.#authorityFrom = this.#count;
      if (section < ADDITIONAL) this.#additionalFrom = this.#count;
      this.#owner[i] = owner;
      this.#type[i] = type;
      this.#concerns[i] = concerns;
      this.#dataStart[i] = dataStart;
      this.#dataEnd[i] = dataEnd;
      if (!this.#joinSet(i, owner, (section << 17) | (signature ? SIGNATURES | concerns : type), cursor.ttl))
        return false;
      if (section === ANSWER && type === TYPE.CNAME) {
        const target = tree.intern(dataStart);
        if (target < 0 || tree.behind !== dataEnd) return false;
        this.#target[i] = target;
        // RFC 2181 §10.1: a name has one CNAME; of several, the first counts.
        if (tree.alias[owner]! < 0) tree.alias[owner] = i;
      }
      // RFC 6672 §3.1: the CNAME made from a DNAME begins with the labels of our query, in the case that we gave them.
      if (section === ANSWER && type === TYPE.DNAME) tree.lowerAll = true;
    }
    return !cursor.broken;
  }

  /** RFC 6891 §6.1: take the upper bits of the rcode and the extended error from the OPT record at the cursor. */
  #readOpt(): boolean {
    const { bytes, section, owner, ttl, dataEnd } = this.#cursor;
    if (this.#hasEdns || section !== ADDITIONAL || bytes[owner] !== 0) return false;
    this.#hasEdns = true;
    this.#rcode = (ttl >>> 24) << 4;
    let at = this.#cursor.dataStart;
    while (at < dataEnd) {
      if (at + 4 > dataEnd) return false;
      const code = (bytes[at]! << 8) | bytes[at + 1]!;
      const size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (at + 4 + size > dataEnd) return false;
      // RFC 8914 §2: several may come; the first stands for all.
      if (code === EDNS_OPTION.EXTENDED_ERROR && size >= 2 && this.#ede === EDE.NONE) {
        this.#ede = (bytes[at + 4]! << 8) | bytes[at + 5]!;
      }
      at += 4 + size;
    }
    return true;
  }

  /** RFC 2181 §5.2: the records of an RRset share one TTL; where they do not, the lowest is taken. */
  #joinSet(i: number, owner: number, key: number, ttl: number): boolean {
    const first = this.#tree.first;
    let sets = 0;
    for (let set = first[owner]!; set >= 0; set = this.#setNext[set]!) {
      if (this.#setKey[set] === key) {
        if (ttl < this.#setTtl[set]!) this.#setTtl[set] = ttl;
        this.#set[i] = set;
        return true;
      }
      if (++sets === MAX_SETS_PER_NAME) return false;
    }
    this.#setKey[i] = key;
    this.#setTtl[i] = ttl;
    this.#setNext[i] = first[owner]!;
    first[owner] = i;
    this.#set[i] = i;
    return true;
  }

  /** Follow the CNAMEs from `qname` and mark what lies on the way and above. Returns the last name, -1 for a loop. */
  #followChain(qname: number, qtype: number): number {
    const { alias, flags, parent } = this.#tree;
    const apex = this.#zoneLabels < 0 ? -1 : this.#aboveBy(qname, this.#depth(qname) - this.#zoneLabels);
    this.#outside = false;
    for (let node = qname, place = 0; place < MAX_CHAIN; place++) {
      flags[node]! |= ON_CHAIN;
      this.#place[node] = place;
      for (let above = node; above !== ROOT && (flags[parent[above]!]! & ABOVE) === 0; ) {
        above = parent[above]!;
        flags[above]! |= ABOVE;
        this.#placeBelow[above] = place;
      }
      this.#outside = apex >= 0 && this.#aboveBy(node, this.#depth(node) - this.#zoneLabels) !== apex;
      if (this.#outside) return node;
      const cname = alias[node]!;
      // RFC 1034 §3.6.2: a query for CNAME or * is not restarted, nor is one that finds its type beside the CNAME.
      if (cname < 0 || qtype === TYPE.CNAME || qtype === TYPE.ANY || this.#hasAnswer(node, qtype)) return node;
      flags[node]! |= FOLLOWED;
      node = this.#target[cname]!;
      if ((flags[node]! & ON_CHAIN) !== 0) return -1;
    }
    return -1;
  }

  /** Labels of the name of `node`. */
  #depth(node: number): number {
    let depth = 0;
    for (let above = node; above !== ROOT; above = this.#tree.parent[above]!) depth++;
    return depth;
  }

  /** The node so many labels above; -1 where that is above the root. */
  #aboveBy(node: number, labels: number): number {
    if (labels < 0) return -1;
    let above = node;
    for (let i = 0; i < labels; i++) above = this.#tree.parent[above]!;
    return above;
  }

  /** The answer section holds records of `qtype` at `node`. */
  #hasAnswer(node: number, qtype: number): boolean {
    for (let set = this.#tree.first[node]!; set >= 0; set = this.#setNext[set]!) {
      const key = this.#setKey[set]!;
      if (key === qtype || (qtype === TYPE.RRSIG && key >>> 16 === 1)) return true;
    }
    return false;
  }

  #write(bytes: Uint8Array, question: Question, answer: Answer, qname: number, authoritative: boolean): boolean {
    const qtype = question.type;
    const final = this.#followChain(qname, qtype);
    // RFC 1034 §3.6.2: CNAME loops are an error.
    if (final < 0) return this.#forget(question, answer);
    const outside = this.#outside;
    // What a zone's own server says of a name elsewhere, its absence included, is another's to say.
    if (outside) writeRcode(answer, RCODE.NOERROR);
    const nxdomain = answer.rcode === RCODE.NXDOMAIN;
    const yxdomain = answer.rcode === RCODE.YXDOMAIN;
    const out = answer.bytes;
    this.#at = answer.length;
    let ttl = NO_TTL;
    let found = false;
    let kept = 0;

    let turns = 0;
    let ordered = true;
    const signed = question.dnssecOk || qtype === TYPE.RRSIG || qtype === TYPE.SIG || qtype === TYPE.ANY;
    for (let i = 0, before = 0; i < this.#authorityFrom; i++) {
      const owner = this.#owner[i]!;
      const type = this.#type[i]!;
      const answers = owner === final && !nxdomain && !outside && (qtype === TYPE.ANY || type === qtype);
      this.#turn[i] = -1;
      if (!answers && !this.#belongs(i, owner, owner === final && !nxdomain && !outside ? qtype : 0)) continue;
      if (type === TYPE.CNAME && this.#tree.alias[owner] !== i) continue;
      // RFC 4035 §3.2.1: signatures go to those that set DO.
      if (!answers && !signed && (type === TYPE.RRSIG || type === TYPE.SIG)) continue;
      found ||= answers;
      const substitution = this.#concerns[i] === TYPE.DNAME && !answers;
      const turn = substitution ? this.#placeBelow[owner]! * 2 : this.#place[owner]! * 2 + 1;
      this.#turn[i] = turn;
      ordered &&= turn >= before;
      before = turn;
      if (turn >= turns) turns = turn + 1;
    }
    // RFC 1034 §4.3.1: the CNAMEs, then what they lead to; clients read it in this order, whatever the upstream's.
    for (let turn = 0; turn < (ordered ? 1 : turns); turn++) {
      for (let i = 0; i < this.#authorityFrom; i++) {
        if (ordered ? this.#turn[i]! < 0 : this.#turn[i] !== turn) continue;
        if (!this.#writeRecord(bytes, i, answer)) return false;
        ttl = Math.min(ttl, this.#setTtl[this.#set[i]!]!);
        kept++;
      }
    }
    if (yxdomain) {
      // RFC 6672 §2.2: the name made from a DNAME would be too long. Without a DNAME it is no answer to a query.
      if (!this.#hasSubstitution()) return this.#forget(question, answer);
      put16(out, 6, kept);
      answer.length = this.#at;
      answer.kind = NXDOMAIN;
      answer.ttl = ttl;
      return true;
    }
    // Records, but none that belongs to the question: this is no answer.
    if (kept === 0 && this.#authorityFrom > 0 && this.#additionalFrom === this.#authorityFrom) return false;
    put16(out, 6, kept);
    kept = 0;
    if (outside) {
      answer.length = this.#at;
      answer.kind = POSITIVE;
      answer.ttl = ttl;
      answer.incomplete = true;
      return true;
    }

    let soaTtl = -1;
    let delegates = false;
    for (let i = this.#authorityFrom; i < this.#additionalFrom; i++) {
      if (!this.#supports(i, question.dnssecOk)) continue;
      const type = this.#type[i]!;
      if (this.#concerns[i] === TYPE.NS) {
        delegates ||= type === TYPE.NS;
        // Whose they are, the zone's or a parent's, cannot be told for sure, and a client has no use for them.
        if (!this.#nameServers || !this.#isBelowTop(i)) continue;
      }
      if (!this.#writeRecord(bytes, i, answer)) return false;
      if (type === TYPE.SOA && soaTtl < 0)
        soaTtl = Math.min(this.#setTtl[this.#set[i]!]!, minimumOf(bytes, this.#dataEnd[i]!));
      kept++;
    }
    put16(out, 8, kept);
    kept = 0;

    for (let i = this.#additionalFrom; i < this.#count; i++) {
      const concerns = this.#concerns[i];
      if ((this.#tree.flags[this.#owner[i]!]! & MENTIONED) === 0 || (concerns !== TYPE.A && concerns !== TYPE.AAAA))
        continue;
      if (!this.#writeRecord(bytes, i, answer)) return false;
      kept++;
    }
    put16(out, 10, kept);
    answer.length = this.#at;

    if (found) {
      answer.kind = POSITIVE;
      answer.ttl = ttl;
      return true;
    }
    // RFC 2308 §2.2: NS records alone, from a server that does not own the name, are a referral: no answer to a stub.
    if (!nxdomain && soaTtl < 0 && delegates && !authoritative && ttl === NO_TTL) return this.#forget(question, answer);
    // RFC 1034 §4.3.2, step 3a: the CNAME is not the whole answer, and nothing says that its target has no records.
    if (!nxdomain && soaTtl < 0 && final !== qname) {
      answer.kind = POSITIVE;
      answer.ttl = -1;
      answer.incomplete = true;
      return true;
    }
    answer.kind = nxdomain ? NXDOMAIN : NODATA;
    // RFC 2308 §5: no SOA, nothing to keep; a CNAME on the way bounds it further.
    answer.ttl = soaTtl < 0 ? -1 : Math.min(ttl, soaTtl);
    return true;
  }

  /** NS records below the top-level domains: those of the root and of a top-level domain are a parent's. */
  #isBelowTop(i: number): boolean {
    const { parent } = this.#tree;
    const owner = this.#owner[i]!;
    return owner !== ROOT && parent[owner] !== ROOT;
  }

  /** A DNAME was kept. */
  #hasSubstitution(): boolean {
    for (let i = 0; i < this.#authorityFrom; i++) if (this.#turn[i]! >= 0 && this.#type[i] === TYPE.DNAME) return true;
    return false;
  }

  /** Leave a failure without records. */
  #forget(question: Question, answer: Answer): true {
    answer.kind = FAILURE;
    answer.rcode = RCODE.SERVFAIL;
    answer.ttlCount = 0;
    answer.length = HEADER_BYTES + question.nameLength + 4;
    writeQuestion(question, RCODE.SERVFAIL, answer);
    return true;
  }

  /** Part of the chain: CNAMEs followed, DNAMEs above, and the signatures of these and of `signed`. */
  #belongs(i: number, owner: number, signed: number): boolean {
    const flags = this.#tree.flags[owner]!;
    const concerns = this.#concerns[i]!;
    if (concerns === signed && signed !== 0) return true;
    if (concerns === TYPE.CNAME) return (flags & FOLLOWED) !== 0;
    return concerns === TYPE.DNAME && (flags & ABOVE) !== 0;
  }

  /** Worth keeping in the authority section: who answers for the zone, why there is no answer, and proofs. */
  #supports(i: number, dnssecOk: boolean): boolean {
    const type = this.#type[i]!;
    const concerns = this.#concerns[i]!;
    if (type === TYPE.SIG || (type === TYPE.RRSIG && !dnssecOk)) return false;
    // Owners of these lie beside the name that they deny (RFC 4034 §4, RFC 5155 §3), so the tree says nothing.
    if (concerns === TYPE.NSEC || concerns === TYPE.NSEC3) return dnssecOk;
    if (concerns === TYPE.DS && !dnssecOk) return false;
    if (concerns !== TYPE.SOA && concerns !== TYPE.NS && concerns !== TYPE.DS) return false;
    return (this.#tree.flags[this.#owner[i]!]! & (ON_CHAIN | ABOVE)) !== 0;
  }

  /** Write record `i` behind the others. Returns false where its data is broken or the message becomes too long. */
  #writeRecord(bytes: Uint8Array, i: number, answer: Answer): boolean {
    const tree = this.#tree;
    const out = answer.bytes;
    const owner = this.#owner[i]!;
    const type = this.#type[i]!;
    tree.flags[owner]! |= MENTIONED;
    let at = tree.write(out, this.#at, owner, true);
    put16(out, at, type);
    put16(out, at + 2, CLASS.IN);
    answer.ttlOffsets[answer.ttlCount++] = at + 4;
    put32(out, at + 4, this.#setTtl[this.#set[i]!]!);
    const dataAt = at + 10;
    let from = this.#dataStart[i]!;
    const end = this.#dataEnd[i]!;
    at = dataAt;

    const layout = type < LAYOUTS.length ? LAYOUTS[type]! : 0;
    if (layout !== 0) {
      const names = layout & NAME_COUNT;
      const prefixEnd =
        type === TYPE.NAPTR ? naptrPrefixEnd(bytes, from, end) : from + ((layout & PREFIX) >>> PREFIX_SHIFT);
      if (prefixEnd > end) return false;
      while (from < prefixEnd) out[at++] = bytes[from++]!;
      for (let k = 0; k < names; k++) {
        const node = tree.intern(from);
        if (node < 0 || tree.behind > end) return false;
        tree.flags[node]! |= MENTIONED;
        from = tree.behind;
        at = tree.write(out, at, node, (layout & COMPRESS) !== 0);
      }
      const rest = end - from;
      if ((layout & OPEN_END) === 0 && rest !== (type === TYPE.SOA ? 20 : 0)) return false;
    } else if (type === TYPE.SVCB || type === TYPE.HTTPS) {
      // RFC 9460 §2.2, §4.2: the target's addresses may come along. Its case is signed, so the bytes stay as they are.
      const node = end - from >= 3 ? tree.intern(from + 2) : -1;
      if (node >= 0 && tree.behind <= end) tree.flags[node]! |= MENTIONED;
    }
    while (from < end) out[at++] = bytes[from++]!;
    // Writes beyond the array are lost, not dangerous; the message is refused here.
    if (at > MAX_MESSAGE_BYTES) return false;
    put16(out, dataAt - 2, at - dataAt);
    this.#at = at;
    return true;
  }
}

function writeRcode(answer: Answer, rcode: number): void {
  answer.rcode = rcode;
  answer.bytes[3] = rcode & 15;
}

function labelsOf(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) labels++;
  return labels;
}

/** Header with nothing but the rcode and one question, and the question in lower case. */
function writeQuestion(question: Question, rcode: number, answer: Answer): void {
  const out = answer.bytes;
  out.fill(0, 0, HEADER_BYTES);
  out[3] = rcode & 15;
  out[5] = 1;
  const length = question.nameLength;
  for (let i = 0; i < length; i++) out[HEADER_BYTES + i] = question.name[i]!;
  put16(out, HEADER_BYTES + length, question.type);
  put16(out, HEADER_BYTES + length + 2, question.class);
}

/** The message has one question, and it is `question` (RFC 4343: ignoring case). The caller checked the length. */
export function sameQuestion(bytes: Uint8Array, start: number, question: Question): boolean {
  if (bytes[start + 4] !== 0 || bytes[start + 5] !== 1) return false;
  const name = question.name;
  const length = question.nameLength;
  let at = start + HEADER_BYTES;
  for (let i = 0; i < length; i++, at++) {
    const byte = bytes[at]!;
    if (byte !== name[i] && (byte < 0x41 || byte > 0x5a || byte + 0x20 !== name[i])) return false;
  }
  const type = (bytes[at]! << 8) | bytes[at + 1]!;
  return type === question.type && ((bytes[at + 2]! << 8) | bytes[at + 3]!) === question.class;
}

/** MINIMUM of an SOA record whose data ends at `end`, in seconds; an unsigned number, cut to 31 bits (RFC 2308 §4). */
function minimumOf(bytes: Uint8Array, end: number): number {
  const value = (bytes[end - 4]! << 24) | (bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!;
  return value < 0 ? NO_TTL : value;
}

/** Offset of the name in NAPTR data: behind order, preference and three character strings (RFC 3403 §4.1). */
function naptrPrefixEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from + 4;
  for (let i = 0; i < 3; i++) {
    if (at >= end) return end + 1;
    at += bytes[at]! + 1;
  }
  return at;
}

// How a type's data holds names: bytes before the first, how many, and what follows; 0 = opaque.
export const NAME_COUNT = 3;
/** Anything may follow the names. */
const OPEN_END = 4;
/** The names may point elsewhere when we send them: RFC 1035's types alone (RFC 3597 §4). */
export const COMPRESS = 8;
export const PREFIX_SHIFT = 4;
const PREFIX = 0xfff0;

/** Data of these may have come compressed: RFC 1035 §3.3, RFC 3597 §4, and, for safety, what a lax sender compresses. */
export const LAYOUTS = new Uint16Array(64);
for (const type of [TYPE.NS, TYPE.MD, TYPE.MF, TYPE.CNAME, TYPE.MB, TYPE.MG, TYPE.MR, TYPE.PTR])
  LAYOUTS[type] = 1 | COMPRESS;
LAYOUTS[TYPE.SOA] = 2 | COMPRESS;
LAYOUTS[TYPE.MINFO] = 2 | COMPRESS;
LAYOUTS[TYPE.MX] = 1 | COMPRESS | (2 << PREFIX_SHIFT);
LAYOUTS[TYPE.RP] = 2;
LAYOUTS[TYPE.AFSDB] = 1 | (2 << PREFIX_SHIFT);
LAYOUTS[TYPE.RT] = 1 | (2 << PREFIX_SHIFT);
LAYOUTS[TYPE.SIG] = 1 | OPEN_END | (18 << PREFIX_SHIFT);
LAYOUTS[TYPE.PX] = 2 | (2 << PREFIX_SHIFT);
LAYOUTS[TYPE.NXT] = 1 | OPEN_END;
LAYOUTS[TYPE.SRV] = 1 | (6 << PREFIX_SHIFT);
LAYOUTS[TYPE.NAPTR] = 1;
LAYOUTS[TYPE.KX] = 1 | (2 << PREFIX_SHIFT);
LAYOUTS[TYPE.DNAME] = 1;
LAYOUTS[TYPE.RRSIG] = 1 | OPEN_END | (18 << PREFIX_SHIFT);
