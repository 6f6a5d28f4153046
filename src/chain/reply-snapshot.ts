/** A reply as it stood before a hook whose verdict is not carried out: what the hook wrote is taken back. */
import { EDE, MAX_MESSAGE_BYTES } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';

export class ReplySnapshot {
  /** Made when first needed: most configurations have no dry run in a view. */
  #bytes: Uint8Array | undefined;
  #length = 0;
  #rcode = 0;
  #ede: number = EDE.NONE;
  #edeText = new Uint8Array(0);
  #cacheResult = 0;
  #dropReason = -1;
  #decidedBy = -1;

  take(query: Query): void {
    this.#bytes ??= new Uint8Array(MAX_MESSAGE_BYTES);
    const { reply, replyStart, replyLength } = query;
    this.#length = replyLength;
    for (let i = 0; i < replyLength; i++) this.#bytes[i] = reply[replyStart + i]!;
    this.#rcode = query.rcode;
    this.#ede = query.ede;
    this.#edeText = query.edeText as Uint8Array<ArrayBuffer>;
    this.#cacheResult = query.cacheResult;
    this.#dropReason = query.dropReason;
    this.#decidedBy = query.decidedBy;
  }

  putBack(query: Query): void {
    const bytes = this.#bytes!;
    const { reply, replyStart } = query;
    for (let i = 0; i < this.#length; i++) reply[replyStart + i] = bytes[i]!;
    query.replyLength = this.#length;
    query.rcode = this.#rcode;
    query.ede = this.#ede;
    query.edeText = this.#edeText;
    query.cacheResult = this.#cacheResult;
    query.dropReason = this.#dropReason;
    query.decidedBy = this.#decidedBy;
  }
}
