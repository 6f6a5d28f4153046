/**
 * What a session is known by: its number at its reporter (Acct-Session-Id), and whatever the reporter is known by.
 *
 * A NAS does not say the same of itself in every message, and messages of one NAS may come over several proxies. So reporters
 * are not numbered but compared, attribute by attribute. There is no table of them that anybody could fill.
 */

/** Words of a name: the number of the session as 64 bits of a hash, then a hash of each that the reporter is known by. */
export const NAME_WORDS = 6;
export const ID_WORDS = 2;
const SOURCE = 0;
const NAS_ADDRESS = 1;
const NAS_IPV6_ADDRESS = 2;
const NAS_IDENTIFIER = 3;
export const REPORTER_WORDS = NAME_WORDS - ID_WORDS;

/** SOURCE, NAS_ADDRESS, NAS_IPV6_ADDRESS, NAS_IDENTIFIER: hashes, 0 where it is not said. */
export type Reporter = Int32Array;
/** ID_WORDS and a reporter. */
export type SessionName = Int32Array;

/** What a message says of where it comes from. Addresses as four words. */
export interface ReporterFacts {
  readonly source: Int32Array;
  readonly address?: Int32Array | undefined;
  readonly ipv6Address?: Int32Array | undefined;
  readonly identifier?: string;
}

export function reporterOf({ source, address, ipv6Address, identifier = '' }: ReporterFacts): Reporter {
  return Int32Array.of(
    hashOfAddress(source),
    address ? hashOfAddress(address) : 0,
    ipv6Address ? hashOfAddress(ipv6Address) : 0,
    identifier === '' ? 0 : hashOfText(identifier, SEED) || 1,
  );
}

/** Whatever is not RADIUS: known by one name alone, and by no address. */
export function namedReporter(name: string): Reporter {
  return Int32Array.of(0, 0, 0, hashOfText(`\0${name}`, SEED) || 1);
}

/** Made by `namedReporter`: RADIUS always comes from somewhere. */
export function isNamed(reporter: Reporter): boolean {
  return reporter[SOURCE] === 0;
}

export function sessionName(id: string, reporter: Reporter): SessionName {
  const name = new Int32Array(NAME_WORDS);
  name[0] = hashOfText(id, SEED);
  name[1] = hashOfText(id, OTHER_SEED);
  name.set(reporter, ID_WORDS);
  return name;
}

/** All that both say is the same, and something is: one reporter, for all that is known. */
export function isSameReporter(one: Reporter, other: Reporter): boolean {
  let agree = false;
  for (let i = NAS_ADDRESS; i < REPORTER_WORDS; i++) {
    if (one[i] === 0 || other[i] === 0) continue;
    if (one[i] !== other[i]) return false;
    agree = true;
  }
  return agree || (one[SOURCE] === other[SOURCE] && one[SOURCE] !== 0);
}

/**
 * They may be one: by any attribute that both say alike, the address that messages come from among them where the NAS names no
 * other. From one source, those that say nothing which could be compared may be one as well.
 */
export function mayBeOne(one: Reporter, other: Reporter): boolean {
  if (one[NAS_IDENTIFIER] !== 0 && one[NAS_IDENTIFIER] === other[NAS_IDENTIFIER]) return true;
  for (const mine of addressesOf(one)) if (addressesOf(other).includes(mine)) return true;
  if (one[SOURCE] !== other[SOURCE]) return false;
  for (let i = NAS_ADDRESS; i < REPORTER_WORDS; i++) if (one[i] !== 0 && other[i] !== 0) return false;
  return true;
}

function addressesOf(reporter: Reporter): number[] {
  const said = [reporter[NAS_ADDRESS]!, reporter[NAS_IPV6_ADDRESS]!].filter((hash) => hash !== 0);
  return said.length > 0 || reporter[SOURCE] === 0 ? said : [reporter[SOURCE]!];
}

const SEED = 0x811c9dc5;
const OTHER_SEED = 0x2f0b4c47;

/** FNV-1a, mixed once more: numbers that count up differ in their last digit alone. */
function hashOfText(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function hashOfAddress(words: Int32Array): number {
  let hash = SEED;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash || 1;
}
