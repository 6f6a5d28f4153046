/**
 * Questions to the public suffix list. tldts is loaded with the first of them: most lists raise none, and the thread that
 * compiles them has been waited for long enough.
 */
import { createRequire } from 'node:module';

type Tldts = typeof import('tldts');

const ICANN_ONLY = { allowPrivateDomains: false, extractHostname: false, validateHostname: false, detectIp: false };
const WITH_PRIVATE = { ...ICANN_ONLY, allowPrivateDomains: true };

let loaded: Tldts | undefined;

/** `name` as text, lower case. `withPrivate`: those under which companies give names away (`github.io`) count too. */
export function isPublicSuffix(name: string, withPrivate: boolean): boolean {
  loaded ??= createRequire(import.meta.url)('tldts') as Tldts;
  return loaded.getPublicSuffix(name, withPrivate ? WITH_PRIVATE : ICANN_ONLY) === name;
}

/**
 * Below a company's `*.compute-1.amazonaws.com` every name is a suffix; a rule on one of them is about one customer. Then
 * a name beside it that nobody has is a suffix just as well.
 */
export function isByWildcard(name: string): boolean {
  return isPublicSuffix(`sekisho-asks-for-nobody${name.slice(name.indexOf('.'))}`, true);
}
