/** Is a text, or a name in it, an address? Nobody's address leaves with what is shared. */
import { anyAddress } from '../audit/addresses-in-text.ts';

export function isAddressText(text: string): boolean {
  // The name of a reverse look-up is an address, too.
  return anyAddress(text) || /\.(?:in-addr|ip6)\.arpa$/i.test(text);
}
