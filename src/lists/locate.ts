/**
 * Where in its source a rule stands, for `sekisho explain`: the list is read once more, off the packet path, and every rule
 * compared. Line numbers of a million names would cost eight bytes each; a second of a thread that waits costs nothing.
 */
import { parsePrefix } from '../address/address.ts';
import { textToName } from '../wire/name.ts';
import type { FoundLine, SoughtRule } from './compiler.ts';
import { ADDRESS_TRIGGER, type AddressTrigger, type EntrySink } from './formats/sink.ts';
import { EXACT, SUBTREE } from './index/rules.ts';

/** Lines that are told of each rule. */
const MAX_LINES = 3;

interface SoughtName {
  readonly sought: SoughtRule;
  readonly name: Uint8Array;
  readonly kind: number;
}

interface SoughtNetwork {
  readonly sought: SoughtRule;
  readonly trigger: AddressTrigger;
  readonly words: Int32Array;
  readonly bits: number;
}

/** A sink that remembers the lines of what is sought. */
export class LineSink implements EntrySink {
  readonly found: Omit<FoundLine, 'text'>[] = [];
  readonly #names: SoughtName[] = [];
  readonly #nameServers: SoughtName[] = [];
  readonly #networks: SoughtNetwork[] = [];
  readonly #counts = new Map<SoughtRule, number>();

  constructor(sought: readonly SoughtRule[]) {
    for (const each of sought) {
      if (each.trigger === 'qname' || each.trigger === 'nsdname') {
        const below = each.rule.startsWith('*.');
        const name = textToName(below ? each.rule.slice(2) : each.rule);
        const target = each.trigger === 'qname' ? this.#names : this.#nameServers;
        target.push({ sought: each, name, kind: below ? SUBTREE : EXACT });
      } else {
        const { words, bits } = parsePrefix(each.rule);
        this.#networks.push({ sought: each, trigger: TRIGGERS[each.trigger], words, bits });
      }
    }
  }

  entry(name: Uint8Array, length: number, kind: number, _action: number, _data: unknown, line: number): void {
    this.#compare(this.#names, name, length, kind, line);
  }

  nameServer(name: Uint8Array, length: number, kind: number, _action: number, _data: unknown, line: number): void {
    this.#compare(this.#nameServers, name, length, kind, line);
  }

  network(
    trigger: AddressTrigger,
    words: Int32Array,
    bits: number,
    _action: number,
    _data: unknown,
    line: number,
  ): void {
    for (const each of this.#networks) {
      if (each.trigger !== trigger || each.bits !== bits) continue;
      if (each.words.every((word, i) => word === words[i])) this.#note(each.sought, line);
    }
  }

  #compare(sought: readonly SoughtName[], name: Uint8Array, length: number, kind: number, line: number): void {
    for (let i = 0; i < sought.length; i++) {
      const each = sought[i]!;
      if (each.name.length !== length || (each.kind & kind) === 0) continue;
      let at = 0;
      while (at < length && each.name[at] === name[at]) at++;
      if (at === length) this.#note(each.sought, line);
    }
  }

  #note(sought: SoughtRule, line: number): void {
    const count = this.#counts.get(sought) ?? 0;
    this.#counts.set(sought, count + 1);
    if (count < MAX_LINES) this.found.push({ ...sought, line });
  }
}

const TRIGGERS = {
  'client-ip': ADDRESS_TRIGGER.CLIENT_IP,
  ip: ADDRESS_TRIGGER.IP,
  nsip: ADDRESS_TRIGGER.NSIP,
} as const;
