/**
 * What a subscriber consents to, as bits of one byte. A list's category says for which purpose it acts
 * (grounds/categories.ts); a purpose that is no bit here can be consented to by nobody.
 *
 * Why purposes and not lists: a reload may give lists other places, and for a moment two configurations read the same
 * byte. A purpose means the same to both; which lists belong to it is a table of four masks in the plugin.
 */
import { CONSENT_PURPOSES, type ListCategory } from '../../grounds/categories.ts';

export const PURPOSES = ['c2', 'malware-warning'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** Combinations of purposes: every mask is below this. */
export const PURPOSE_MASKS = 1 << PURPOSES.length;

export function purposeBit(purpose: Purpose): number {
  return 1 << PURPOSES.indexOf(purpose);
}

/** The bit of the purpose that lists of this category act for; 0 where consent is not their ground. */
export function categoryBit(category: ListCategory): number {
  const purpose = CONSENT_PURPOSES[category];
  return purpose === undefined ? 0 : purposeBit(purpose as Purpose);
}

export function isPurpose(text: string): text is Purpose {
  return (PURPOSES as readonly string[]).includes(text);
}
