/**
 * What triggers look at in a reply: the names of its CNAME chain, the addresses at its end, and what the authority and
 * additional sections show of name servers. Everything is copied out, because the reply is about to be rewritten.
 *
 *   question ─CNAME▶ names[1] ─CNAME▶ … names[last]     addresses: A and AAAA in the answer
 *   authority: owner NS server                          additional: A and AAAA of servers
 */
import { AliasChain, MessageName, type Query, RecordCursor, TYPE } from '../../src/contract/plugin.ts';

/** Addresses and name servers looked at; what comes behind is not. */
export const MAX_ADDRESSES = 256;
export const MAX_SERVERS = 32;
/**
 * Servers of the root and of top-level domains say nothing about a name, and a resolver that knows of none nearer shows them
 * (`min-ns-dots` of the draft's §9.3, here 1 as is BIND's default).
 */
const MIN_ZONE_LABELS = 2;

const WORDS = 4;

export class Addresses {
  /** Four words for each, as in net/address.ts. */
  readonly words = new Int32Array(MAX_ADDRESSES * WORDS);
  /** Index of the owner among the name servers; unused in the answer. */
  readonly owners = new Uint8Array(MAX_ADDRESSES);
  count = 0;

  /** Take the data of an A or AAAA record. */
  add(bytes: Uint8Array, at: number, type: number, owner: number): void {
    if (this.count === MAX_ADDRESSES) return;
    const to = this.count * WORDS;
    const words = this.words;
    if (type === TYPE.A) {
      words[to] = 0;
      words[to + 1] = 0;
      words[to + 2] = 0xffff;
      words[to + 3] = word(bytes, at);
    } else {
      for (let i = 0; i < WORDS; i++) words[to + i] = word(bytes, at + 4 * i);
    }
    this.owners[this.count++] = owner;
  }

  copyTo(index: number, words: Int32Array): void {
    for (let i = 0; i < WORDS; i++) words[i] = this.words[index * WORDS + i]!;
  }
}

export class ReplyView {
  readonly #chain = new AliasChain();
  /** Names and TTLs of the chain of CNAMEs; `names[0]` is the question's. */
  readonly names: readonly MessageName[] = this.#chain.names;
  readonly ttls = this.#chain.ttls;
  readonly addresses = new Addresses();
  readonly serverAddresses = new Addresses();
  /** Zones and the names of their servers, as far as the reply shows them. */
  readonly zones: readonly MessageName[] = Array.from({ length: MAX_SERVERS }, () => new MessageName());
  readonly servers: readonly MessageName[] = Array.from({ length: MAX_SERVERS }, () => new MessageName());
  serverCount = 0;
  readonly #cursor = new RecordCursor();
  readonly #owner = new MessageName();

  /** Position of the last name of the chain. */
  get last(): number {
    return this.#chain.last;
  }

  /** Only the question: no reply stands there yet. */
  readQuestion(query: Query): void {
    this.#chain.begin(query);
    this.addresses.count = 0;
    this.serverAddresses.count = 0;
    this.serverCount = 0;
  }

  /**
   * False where the chain of CNAMEs is too long to be followed, or the reply broken. `mayHoldAlias`: without it, there is
   * no chain to be looked for.
   */
  read(query: Query, mayHoldAlias: boolean): boolean {
    this.readQuestion(query);
    if (mayHoldAlias && !this.#chain.follow(query)) return false;
    return this.#collect(query);
  }

  #collect(query: Query): boolean {
    const cursor = this.#open(query);
    while (cursor.next()) {
      const { section, type, dataStart, dataEnd, bytes } = cursor;
      const isAddress =
        (type === TYPE.A && dataEnd - dataStart === 4) || (type === TYPE.AAAA && dataEnd - dataStart === 16);
      if (section === 0) {
        if (isAddress) this.addresses.add(bytes, dataStart, type, 0);
      } else if (section === 1) {
        if (type === TYPE.NS && !this.#addServer(query)) return false;
      } else if (isAddress) {
        if (!this.#readName(query, this.#owner, cursor.owner)) return false;
        for (let i = 0; i < this.serverCount; i++)
          if (this.servers[i]!.equals(this.#owner)) this.serverAddresses.add(bytes, dataStart, type, i);
      }
    }
    return !cursor.broken;
  }

  #addServer(query: Query): boolean {
    if (this.serverCount === MAX_SERVERS) return true;
    const { owner, dataStart } = this.#cursor;
    const i = this.serverCount;
    if (!this.#readName(query, this.zones[i]!, owner) || !this.#readName(query, this.servers[i]!, dataStart))
      return false;
    if (this.zones[i]!.labelCount >= MIN_ZONE_LABELS) this.serverCount++;
    return true;
  }

  #open(query: Query): RecordCursor {
    this.#cursor.open(query.reply, query.replyStart, query.replyLength);
    return this.#cursor;
  }

  #readName(query: Query, name: MessageName, at: number): boolean {
    return name.read(query.reply, at, query.replyStart + query.replyLength, query.replyStart);
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
