/**
 * Sessions by name, those that go on and, for a while, those that have ended: a late message of an ended session must not
 * bring it back.
 *
 * A hash table that grows by one bucket at a time (Litwin's linear hashing), so that millions of sessions make no pause.
 * Sessions with the same number at different reporters stand in one chain.
 */
import { ClientShares } from './client-shares.ts';
import { IntRecords, NONE } from './int-records.ts';
import { ID_WORDS, isSameReporter, NAME_WORDS, type Reporter, type SessionName } from './session-name.ts';

/** Words of a session behind its name. Records and seconds as given; NEXT and FIRST_CLAIM + 1, so that 0 is none. */
export const SESSION = {
  /** Of the subscriber that its messages name. Of an ended session its serial among those. */
  HOLDER: NAME_WORDS,
  /** Event-Timestamp of its latest message, unsigned; 0 where none had one. */
  STAMP: NAME_WORDS + 1,
  /** When its latest event, or its end, was. */
  AT: NAME_WORDS + 2,
  FIRST_CLAIM: NAME_WORDS + 3,
  NEXT: NAME_WORDS + 4,
  FLAGS: NAME_WORDS + 5,
} as const;
const SESSION_WORDS = NAME_WORDS + 6;

export const USED = 1;
export const ENDED = 2;
/** Its messages name two subscribers: it is nobody's. */
export const DOUBTED = 4;
/** Its latest message names none. */
export const UNNAMED = 8;

/** Those that have ended and are remembered among them. */
export const MAX_SESSIONS = 1 << 24;
/** Ended sessions that are remembered; of more, those that ended first are forgotten. */
const MAX_ENDED = 1 << 20;
const LEAST_ENDED = 1 << 10;

export class Sessions {
  readonly records = new IntRecords(SESSION_WORDS);
  readonly #buckets = new IntRecords(1);
  readonly #reporter = new Int32Array(NAME_WORDS - ID_WORDS);
  /** Which session ended, and when that was heard, by serial. */
  #ended = new Int32Array(LEAST_ENDED * 2);
  #endedFrom = 0;
  #endedTo = 0;

  readonly #shares: ClientShares;

  constructor(room = MAX_SESSIONS) {
    this.#shares = new ClientShares(room);
    this.#buckets.take();
  }

  get bytes(): number {
    return this.records.bytes + this.#buckets.bytes + this.#ended.byteLength;
  }

  get(session: number, word: number): number {
    return this.records.get(session, word);
  }

  set(session: number, word: number, value: number): void {
    this.records.set(session, word, value);
  }

  isUsed(session: number): boolean {
    return (this.get(session, SESSION.FLAGS) & USED) !== 0;
  }

  isEnded(session: number): boolean {
    return (this.get(session, SESSION.FLAGS) & ENDED) !== 0;
  }

  /**
   * The session of that name: of the reporter that says of itself just the same, or else of the only one that can be the same.
   * NONE where there is none, or where it could be several.
   */
  find(name: SessionName): number {
    const { records } = this;
    let alike = NONE;
    let count = 0;
    let session = this.#buckets.get(this.#bucketOf(name[0]!, name[1]!), 0) - 1;
    for (; session !== NONE; session = records.get(session, SESSION.NEXT) - 1) {
      if (records.get(session, 0) !== name[0] || records.get(session, 1) !== name[1]) continue;
      if (this.#isExactly(session, name)) return session;
      if (!isSameReporter(this.reporterOf(session), name.subarray(ID_WORDS))) continue;
      alike = session;
      count++;
    }
    return count === 1 ? alike : NONE;
  }

  /** All sessions of that number, whoever reports them. */
  *numbered(name: SessionName): IterableIterator<number> {
    const { records } = this;
    let session = this.#buckets.get(this.#bucketOf(name[0]!, name[1]!), 0) - 1;
    while (session !== NONE) {
      const next = records.get(session, SESSION.NEXT) - 1;
      if (records.get(session, 0) === name[0] && records.get(session, 1) === name[1]) yield session;
      session = next;
    }
  }

  /** Valid until the next call. */
  reporterOf(session: number): Reporter {
    for (let i = 0; i < this.#reporter.length; i++) this.#reporter[i] = this.get(session, ID_WORDS + i);
    return this.#reporter;
  }

  /** Where its reporter's messages come from (client-shares.ts). */
  clientOf(session: number): number {
    return this.get(session, ID_WORDS);
  }

  nameOf(session: number): SessionName {
    return Int32Array.from({ length: NAME_WORDS }, (_, i) => this.get(session, i));
  }

  /** Why there is no room for a new session of that name; undefined where there is. */
  refusal(name: SessionName): 'full' | 'client-full' | undefined {
    return this.#shares.refusal(name[ID_WORDS]!);
  }

  /** A new session; NONE where there is no room (`refusal`). */
  add(name: SessionName): number {
    if (this.refusal(name) !== undefined) return NONE;
    this.#shares.take(name[ID_WORDS]!);
    const session = this.records.take();
    for (let i = 0; i < NAME_WORDS; i++) this.set(session, i, name[i]!);
    this.set(session, SESSION.FLAGS, USED);
    this.#hang(session, this.#bucketOf(name[0]!, name[1]!));
    if (this.records.live > this.#buckets.live) this.#split();
    return session;
  }

  remove(session: number): void {
    const bucket = this.#bucketOf(this.get(session, 0), this.get(session, 1));
    const next = this.get(session, SESSION.NEXT);
    let before = this.#buckets.get(bucket, 0) - 1;
    if (before === session) this.#buckets.set(bucket, 0, next);
    else {
      while (this.get(before, SESSION.NEXT) - 1 !== session) before = this.get(before, SESSION.NEXT) - 1;
      this.set(before, SESSION.NEXT, next);
    }
    this.set(session, SESSION.FLAGS, 0);
    this.#shares.letGo(this.get(session, ID_WORDS));
    this.records.letGo(session);
  }

  /** It has ended; that was heard at `nowSeconds`. */
  end(session: number, nowSeconds: number): void {
    if (this.#endedTo - this.#endedFrom >= this.#room) this.#makeRoom();
    const serial = this.#endedTo++;
    const at = (serial % this.#room) * 2;
    this.#ended[at] = session;
    this.#ended[at + 1] = nowSeconds;
    this.set(session, SESSION.FLAGS, USED | ENDED);
    this.set(session, SESSION.HOLDER, serial | 0);
  }

  /** Forget those that were heard to have ended before `seconds`. */
  forgetEnded(seconds: number): void {
    while (this.#endedFrom < this.#endedTo && this.#ended[(this.#endedFrom % this.#room) * 2 + 1]! < seconds)
      this.#forgetOne();
  }

  get #room(): number {
    return this.#ended.length >> 1;
  }

  #makeRoom(): void {
    const room = this.#room;
    if (room >= MAX_ENDED) {
      this.#forgetOne();
      return;
    }
    const larger = new Int32Array(room * 4);
    for (let serial = this.#endedFrom; serial < this.#endedTo; serial++) {
      const at = (serial % room) * 2;
      larger.set(this.#ended.subarray(at, at + 2), (serial % (room * 2)) * 2);
    }
    this.#ended = larger;
  }

  #forgetOne(): void {
    const serial = this.#endedFrom++;
    const session = this.#ended[(serial % this.#room) * 2]!;
    // It may have started over, or its record may be another one's by now.
    if (this.isEnded(session) && this.get(session, SESSION.HOLDER) === (serial | 0)) this.remove(session);
  }

  #isExactly(session: number, name: SessionName): boolean {
    for (let i = ID_WORDS; i < NAME_WORDS; i++) if (this.get(session, i) !== name[i]) return false;
    return true;
  }

  #bucketOf(id0: number, id1: number): number {
    const hash = (id0 ^ Math.imul(id1, 0x9e3779b1)) >>> 0;
    const count = this.#buckets.live;
    const mask = 2 ** (32 - Math.clz32(count - 1)) - 1;
    const bucket = (hash & mask) >>> 0;
    return bucket < count ? bucket : (bucket & (mask >>> 1)) >>> 0;
  }

  #hang(session: number, bucket: number): void {
    this.set(session, SESSION.NEXT, this.#buckets.get(bucket, 0));
    this.#buckets.set(bucket, 0, session + 1);
  }

  /** One bucket more: what belongs into it stood in the one that it is split off from. */
  #split(): void {
    const made = this.#buckets.take();
    const from = made & (2 ** (31 - Math.clz32(made)) - 1);
    let session = this.#buckets.get(from, 0) - 1;
    this.#buckets.set(from, 0, 0);
    while (session !== NONE) {
      const next = this.get(session, SESSION.NEXT) - 1;
      this.#hang(session, this.#bucketOf(this.get(session, 0), this.get(session, 1)));
      session = next;
    }
  }
}
