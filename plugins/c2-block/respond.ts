/** Writes what a subscriber gets for a blocked name. All bytes are made at set-up. */

import {
  ANSWER,
  ANSWER_SECTION,
  addRecord,
  addressWords,
  addSoa,
  beginReply,
  EDE,
  type ListCategory,
  type Query,
  RCODE,
  TYPE,
  type Verdict,
} from '../../src/contract/plugin.ts';
import type { Told } from './options.ts';

/** RFC 8914 §2. */
const OPTION_EXTENDED_ERROR = 15;

export type BlockAction = Told['action'];
type Blocked = Exclude<ListCategory, 'policy'>;

const ABOUT: Readonly<Record<Blocked, string>> = {
  c2: 'listed command-and-control (C&C) server of malware',
  malware: 'listed site that spreads malware',
};

export class Responder {
  readonly #told: Told;
  readonly #v4: Uint8Array | undefined;
  readonly #v6: Uint8Array | undefined;
  readonly #plain: Readonly<Record<Blocked, Uint8Array>>;
  readonly #structured: Readonly<Record<Blocked, Uint8Array>>;

  constructor(told: Told) {
    this.#told = told;
    this.#v4 = told.ipv4 === undefined ? undefined : bytesOf(told.ipv4).subarray(12);
    this.#v6 = told.ipv6 === undefined ? undefined : bytesOf(told.ipv6);
    this.#plain = { c2: encoded(plainText(told, 'c2')), malware: encoded(plainText(told, 'malware')) };
    this.#structured = {
      c2: encoded(structuredText(told, 'c2')),
      malware: encoded(structuredText(told, 'malware')),
    };
  }

  /**
   * What a confirmed list of the category leads to; undefined where it only leads to a record. Blanket consent covers the
   * warning of sites that spread malware, not their blocking (guideline v3, Art. 5(2)3(2)(ハ)②): without an address that
   * shows the warning there is nothing to be done.
   */
  actionFor(category: ListCategory): BlockAction | undefined {
    if (category === 'c2') return this.#told.action;
    return category === 'malware' && (this.#v4 !== undefined || this.#v6 !== undefined) ? 'notice' : undefined;
  }

  block(query: Query, category: ListCategory): Verdict {
    const about = category === 'malware' ? 'malware' : 'c2';
    const action = this.actionFor(category);
    const { ttl } = this.#told;
    beginReply(query, action === 'nxdomain' ? RCODE.NXDOMAIN : RCODE.NOERROR);
    // RFC 8914 §4.16: Blocked. Also with the notice address: a client that asks for structured errors must not be told
    // Forged Answer (draft-ietf-dnsop-structured-dns-error, Server Generating Response).
    query.ede = EDE.BLOCKED;
    query.edeText = asksForStructure(query) ? this.#structured[about] : this.#plain[about];
    const { type } = query.question;
    const address =
      action !== 'notice' ? undefined : type === TYPE.A ? this.#v4 : type === TYPE.AAAA ? this.#v6 : undefined;
    if (address) addRecord(query, ANSWER_SECTION, type, ttl, address);
    else addSoa(query, ttl);
    return ANSWER;
  }
}

/**
 * draft-ietf-dnsop-structured-dns-error, Client Generating Request: the client sends the extended error option itself, with
 * two bytes of data or (in later drafts' words) more. The options were checked when the query was read.
 */
function asksForStructure({ message, optionsStart, optionsEnd }: Query): boolean {
  for (let at = optionsStart; at + 4 <= optionsEnd; ) {
    const code = (message[at]! << 8) | message[at + 1]!;
    const size = (message[at + 2]! << 8) | message[at + 3]!;
    if (code === OPTION_EXTENDED_ERROR && size >= 2) return true;
    at += 4 + size;
  }
  return false;
}

function plainText({ organization, contact, optOut }: Told, about: Blocked): string {
  return [
    `${organization === undefined ? '' : `${organization}: `}${ABOUT[about]}, blocked with your consent`,
    ...(optOut === undefined ? [] : [`opt out: ${optOut}`]),
    ...(contact === undefined ? [] : [`contact: ${contact}`]),
  ].join('; ');
}

/** I-JSON with contact (c), justification (j) and organization (o). Without a contact the draft allows no structure. */
function structuredText(told: Told, about: Blocked): string {
  const { organization, contact, optOut } = told;
  // A contact is to be reached securely: an address of the portal without TLS stands in the text alone.
  const contacts = [contact, optOut].filter((uri) => uri !== undefined && !uri.startsWith('http:'));
  if (contacts.length === 0) return plainText(told, about);
  return JSON.stringify({
    c: contacts,
    j: `${ABOUT[about]}, blocked with the subscriber's consent${optOut === undefined ? '' : `; opt out: ${optOut}`}`,
    ...(organization !== undefined && { o: organization }),
  });
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function bytesOf(address: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  addressWords(address).forEach((word, i) => {
    view.setInt32(i * 4, word);
  });
  return new Uint8Array(view.buffer);
}
