/** What a single address is kept and shown as where it must not be one: the network around it. */
import { AddressError, addressWords, isMapped, prefixText } from './address.ts';

/** A /56 may be one household. */
const BITS = { 4: 24, 6: 40 };

/** The network around a single address; a network as it is. Throws AddressError. */
export function networkAround(source: string): string {
  if (source.includes('/')) return source;
  const words = addressWords(source);
  const bits = isMapped(words) ? 96 + BITS[4] : BITS[6];
  const kept = words.map((word, i) => {
    const own = Math.min(32, Math.max(0, bits - i * 32));
    return own === 0 ? 0 : word & (-1 << (32 - own));
  });
  return prefixText({ words: kept, bits });
}

/** What may be an address, with a length behind it or none. Times (14:10) and ports are tried too, and are none. */
const CANDIDATE =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?::?\d{1,3}(?:\.\d{1,3}){3})?)(?:\/\d{1,3})?(?![\w:]|\.\d)/gi;

/** `text` with every address in it replaced by what `instead` makes of it; networks too where `networks` is true. */
export function replaceAddresses(text: string, instead: (source: string) => string, networks = false): string {
  return text.replaceAll(CANDIDATE, (found) => {
    const [address = '', length] = found.split('/');
    try {
      addressWords(address);
    } catch (error) {
      if (error instanceof AddressError) return found;
      throw error;
    }
    const whole = length === undefined || length === (address.includes(':') ? '128' : '32');
    return whole || networks ? instead(whole ? address : found) : found;
  });
}
