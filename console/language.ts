/** Japanese and English: as the browser wants it, until somebody chooses. */
import { en } from './words-en.ts';
import { ja } from './words-ja.ts';

export const LANGUAGES = { ja: '日本語', en: 'English' } as const;
export type Language = keyof typeof LANGUAGES;
export type Words = typeof en;

const KEPT = 'sekisho-language';

let current: Language = chosen() ?? wanted();
/** Words of the language that is shown. */
export let t: Words = current === 'ja' ? ja : en;
document.documentElement.lang = current;

export function language(): Language {
  return current;
}

/** The page is drawn again by whoever calls. */
export function choose(next: Language): void {
  current = next;
  t = next === 'ja' ? ja : en;
  document.documentElement.lang = next;
  keep(KEPT, next);
}

function chosen(): Language | undefined {
  const kept = remembered(KEPT);
  return kept === 'ja' || kept === 'en' ? kept : undefined;
}

/** The first of the browser's languages (what it sends as Accept-Language) that there is. */
function wanted(): Language {
  for (const each of navigator.languages) {
    if (/^ja\b/i.test(each)) return 'ja';
    if (/^en\b/i.test(each)) return 'en';
  }
  return 'en';
}

/** What this browser remembers; nothing where it is told to remember nothing. */
export function remembered(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It is asked again next time.
  }
}
