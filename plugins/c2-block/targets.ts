/**
 * The names to which a reply leads its client, beside the one asked for: the targets of its CNAMEs, and those of its HTTPS
 * and SVCB records (RFC 9460 §2.4: the alias of mode 0, the endpoint of the others), in the order of the reply.
 *
 * Where the chain is too long to be followed or the reply is broken, what was read until there is there, and no more.
 */
import { AliasChain, MessageName, mayHoldAlias, type Query, RecordCursor, TYPE } from '../../src/contract/plugin.ts';

/** Targets of HTTPS and SVCB looked at; what comes behind is not. */
const MAX_SERVICES = 32;

export class Targets {
  readonly #chain = new AliasChain();
  readonly #services: readonly MessageName[] = Array.from({ length: MAX_SERVICES }, () => new MessageName());
  #serviceCount = 0;
  readonly #cursor = new RecordCursor();

  get count(): number {
    return this.#chain.last + this.#serviceCount;
  }

  /** Target `i`, from 0. */
  at(i: number): MessageName {
    const { last, names } = this.#chain;
    return i < last ? names[i + 1]! : this.#services[i - last]!;
  }

  read(query: Query): void {
    this.#serviceCount = 0;
    if (mayHoldAlias(query)) this.#chain.follow(query);
    else this.#chain.begin(query);
    if (hasServices(query.question.type)) this.#readServices(query);
  }

  #readServices({ reply, replyStart, replyLength }: Query): void {
    const cursor = this.#cursor;
    const end = replyStart + replyLength;
    cursor.open(reply, replyStart, replyLength);
    while (cursor.next() && cursor.section === 0 && this.#serviceCount < MAX_SERVICES) {
      if (!hasServices(cursor.type)) continue;
      const service = this.#services[this.#serviceCount]!;
      // Behind the priority. RFC 9460 §2.5: the root stands for the owner, or for no service at all.
      if (service.read(reply, cursor.dataStart + 2, end, replyStart) && service.labelCount > 0) this.#serviceCount++;
    }
  }
}

/** False where the reply to the question leads to no other name: the plain case, without a walk through it. */
export function mayLeadOn(query: Query): boolean {
  return hasServices(query.question.type) || mayHoldAlias(query);
}

function hasServices(type: number): boolean {
  return type === TYPE.HTTPS || type === TYPE.SVCB;
}
