/** A validated answer as it is kept and served: nothing in it that was not validated, no TTL longer than its signature. */
import { Answer } from '../../wire/answer.ts';
import { Normalizer } from '../../wire/normalize.ts';
import type { Question } from '../../wire/question.ts';
import { RecordCursor } from '../../wire/records.ts';
import { put16, put32 } from '../../wire/writer.ts';
import type { Verdict } from '../validate/verdict.ts';

/** An answer on the way to its verdict, copied out of memory that others write over. */
export class KeptAnswer {
  readonly #bytes: Uint8Array;
  readonly #ttlOffsets: Uint16Array;
  readonly #kind: number;
  readonly #rcode: number;
  readonly #ede: number;
  readonly #ttl: number;
  readonly #incomplete: boolean;

  constructor(answer: Answer) {
    this.#bytes = answer.bytes.slice(0, answer.length);
    this.#ttlOffsets = answer.ttlOffsets.slice(0, answer.ttlCount);
    this.#kind = answer.kind;
    this.#rcode = answer.rcode;
    this.#ede = answer.ede;
    this.#ttl = answer.ttl;
    this.#incomplete = answer.incomplete;
  }

  putInto(answer: Answer): void {
    answer.bytes.set(this.#bytes);
    answer.length = this.#bytes.length;
    answer.ttlOffsets.set(this.#ttlOffsets);
    answer.ttlCount = this.#ttlOffsets.length;
    answer.kind = this.#kind;
    answer.rcode = this.#rcode;
    answer.ede = this.#ede;
    answer.ttl = this.#ttl;
    answer.incomplete = this.#incomplete;
    answer.authenticData = false;
  }
}

export function copyAnswer(from: Answer, to: Answer): void {
  const words = (from.length + 3) >>> 2;
  for (let i = 0; i < words; i++) to.words[i] = from.words[i]!;
  for (let i = 0; i < from.ttlCount; i++) to.ttlOffsets[i] = from.ttlOffsets[i]!;
  to.length = from.length;
  to.ttlCount = from.ttlCount;
  to.kind = from.kind;
  to.rcode = from.rcode;
  to.ede = from.ede;
  to.ttl = from.ttl;
  to.incomplete = from.incomplete;
  to.authenticData = from.authenticData;
}

export class ServedAnswers {
  readonly #cursor = new RecordCursor();
  readonly #normalizer = new Normalizer({ nameServers: true });
  readonly #stripped = new Answer();

  /**
   * Make `answer`, which was asked with DO, what `question` gets. It stays in place, or another is returned that stands until
   * the next call; undefined where it cannot be read.
   */
  made(question: Question, answer: Answer, verdict: Verdict): Answer | undefined {
    this.#cutAdditional(answer);
    capTtls(answer, verdict);
    if (question.dnssecOk) return answer;
    // RFC 4035 §3.2.1: signatures and denials go to those that set DO.
    const stripped = this.#stripped;
    if (!this.#normalizer.normalize(answer.bytes, 0, answer.length, question, stripped)) return undefined;
    // What was found of the whole holds of the part: kind and life are those of what was validated.
    stripped.kind = answer.kind;
    stripped.ttl = answer.ttl;
    stripped.incomplete = answer.incomplete;
    stripped.ede = answer.ede;
    return stripped;
  }

  /** RFC 4035 §3.2.3 leaves the additional section out of what AD speaks for; so nothing stands there. */
  #cutAdditional(answer: Answer): void {
    const { bytes, length } = answer;
    if (bytes[10] === 0 && bytes[11] === 0) return;
    const cursor = this.#cursor;
    cursor.open(bytes, 0, length);
    let end = cursor.position;
    while (cursor.next() && cursor.section < 2) end = cursor.position;
    put16(bytes, 10, 0);
    answer.length = end;
    let count = answer.ttlCount;
    while (count > 0 && answer.ttlOffsets[count - 1]! >= end) count--;
    answer.ttlCount = count;
  }
}

/** RFC 4035 §5.3.3: no longer than the original TTL, and no longer than the signature lasts. */
function capTtls(answer: Answer, { sets, maxTtl: most }: Verdict): void {
  for (const { set, maxTtl } of sets) {
    if (maxTtl >= set.ttl) continue;
    for (const at of set.ttlOffsets) put32(answer.bytes, at, Math.min(maxTtl, set.ttl));
    if (answer.ttl > maxTtl) answer.ttl = maxTtl;
  }
  if (answer.ttl <= most) return;
  answer.ttl = most;
  const { bytes, ttlOffsets, ttlCount } = answer;
  for (let i = 0; i < ttlCount; i++) {
    const at = ttlOffsets[i]!;
    const ttl = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (ttl > most) put32(bytes, at, most);
  }
}
