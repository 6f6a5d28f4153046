/**
 * What a list may be about, and the ground on which a list of that category acts. A category that no ground covers is
 * refused, however useful its list may be.
 *
 *   c2       the subscriber's consent: blanket consent by the contract terms, opt-out at any time  (2017 direction, ①)
 *   malware  the subscriber's consent: warning page for sites that spread malware               (guideline v3, 3(2)ハ②)
 *   policy   a ground that the operator states in full for the list: it applies to everyone
 */

export const LIST_CATEGORIES = ['c2', 'malware', 'policy'] as const;
export type ListCategory = (typeof LIST_CATEGORIES)[number];

/** The purpose for which a subscriber consents or opts out; undefined where consent is not the ground. */
export const CONSENT_PURPOSES: Readonly<Record<ListCategory, string | undefined>> = {
  c2: 'c2',
  malware: 'malware-warning',
  policy: undefined,
};

/** Categories that people ask for, and why no list of them is taken as a list that acts on consent. */
const NOT_COVERED: Readonly<Record<string, string>> = {
  phishing: 'consent to the blocking of C&C look-ups does not extend to phishing sites',
  adult: 'consent to the blocking of C&C look-ups does not extend to adult content',
  piracy: 'consent to the blocking of C&C look-ups does not extend to piracy sites',
  ads: 'consent to the blocking of C&C look-ups does not extend to advertising',
  tracking: 'consent to the blocking of C&C look-ups does not extend to tracking',
  gambling: 'consent to the blocking of C&C look-ups does not extend to gambling',
};

/** What is wrong with a category; undefined where it is known. */
export function categoryProblem(category: string): string | undefined {
  if ((LIST_CATEGORIES as readonly string[]).includes(category)) return undefined;
  const why = Object.hasOwn(NOT_COVERED, category) ? NOT_COVERED[category] : undefined;
  const known = `known are ${LIST_CATEGORIES.join(', ')}`;
  return why === undefined
    ? `no ground is known for the category '${category}'; ${known}`
    : `no ground covers the category '${category}': ${why} (2017 direction, reference ①); ${known}. A measure for everyone is a list of category policy, with a ground stated in full`;
}
