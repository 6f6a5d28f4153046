/**
 * Whether what people wrote, or a rule is on, holds the address of somebody: then reading it is reading personal data, which
 * needs a purpose and leaves an entry. What looks like an address and may be none counts as one.
 */
import { AddressError, parsePrefix } from '../address/address.ts';

/** Candidates: four numbers with dots, or hexadecimal groups with at least two colons; perhaps a length behind. */
const CANDIDATES = /\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\/\d{1,3})?/gi;

export function holdsAddress(text: string): boolean {
  return (text.match(CANDIDATES) ?? []).some(isAddress);
}

/** Any text in `value`, however deep. */
export function anyAddress(value: unknown): boolean {
  if (typeof value === 'string') return holdsAddress(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(anyAddress);
}

function isAddress(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    // Such as a network with host bits.
    return text.includes('/') && isAddress(text.slice(0, text.indexOf('/')));
  }
}
