/** Languages of the pages, and which of them a browser wants. */
import Negotiator from 'negotiator';

export const LANGUAGES = ['ja', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

/** As each language calls itself. */
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { ja: '日本語', en: 'English' };

/** Longer headers are taken for none: nobody speaks so many languages. */
const MAX_HEADER = 500;

/**
 * What was chosen by a link (`?lang=`), else what Accept-Language prefers by its q-values (RFC 9110 §12.5.4), else the first.
 */
export function chooseLanguage(
  available: readonly Language[],
  chosen: string | undefined,
  acceptLanguage: string | undefined,
): Language {
  const named = available.find((language) => language === chosen);
  if (named !== undefined) return named;
  const header = acceptLanguage !== undefined && acceptLanguage.length <= MAX_HEADER ? acceptLanguage : '*';
  const [best] = new Negotiator({ headers: { 'accept-language': header } }).languages([...available]);
  return available.find((language) => language === best) ?? available[0]!;
}
