/**
 * Does a statement say anything? A ground is only as good as what is stated with it, so text that was typed to get past the
 * form is refused: in the configuration, over the API and on the command line alike, by this one function.
 *
 * It judges the form and never the content: whether a statement is true is the operator's to answer for.
 */

/** Letters and digits that a sentence has at least, in any script; Japanese says much in few. */
const LEAST_LETTERS = 6;
/** Different ones among them: 「攻撃が継続中」 has six, "aaaaaaaa" one, "abababab" two. */
const LEAST_DIFFERENT = 4;
export const LEAST_CHARACTERS = 8;

/** Words that stand in templates and forms for what somebody has to say. */
const PLACEHOLDERS = new Set([
  'whynothingnarrower',
  'whynothingmilder',
  'placeholder',
  'todotodo',
  'notapplicable',
  'noreason',
  'loremipsum',
  'asdfghjkl',
  'qwertyuiop',
]);

/** What is wrong with `text` as a statement; undefined where it may say something. */
export function statementProblem(text: string): string | undefined {
  // RFC 5198 §3 has NFC for text on the wire; NFKC also makes full-width and half-width forms one.
  const plain = text.normalize('NFKC').trim().toLowerCase();
  if ([...plain].length < LEAST_CHARACTERS)
    return `is too short to say anything (at least ${LEAST_CHARACTERS} characters)`;
  const letters = [...plain].filter((character) => /[\p{L}\p{N}]/u.test(character));
  if (letters.length < LEAST_LETTERS) return 'consists of hardly anything but spaces and punctuation';
  if (new Set(letters).size < LEAST_DIFFERENT) return 'repeats the same few characters';
  const words = plain.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length > 1 && new Set(words).size === 1) return 'repeats the same word';
  if (repeats(letters.join(''))) return 'repeats the same text';
  if (isRun(letters)) return 'is a run of neighbouring characters';
  if (PLACEHOLDERS.has(letters.join(''))) return 'is a placeholder';
  return undefined;
}

/** What is wrong with `text` as the name of a person or an office; undefined where it may be one. */
export function nameProblem(text: string): string | undefined {
  return comparableName(text) === '' ? 'names nobody: it holds no letter' : undefined;
}

/**
 * Names that people take for the same: without case, width, spaces, punctuation and marks that are not seen. "Ａｄｍｉｎ",
 * "admin " and "AD-MIN" are one.
 */
export function comparableName(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** A whole number of times the same shorter text: a rotation of itself by less than its length is itself. */
function repeats(text: string): boolean {
  return (text + text).indexOf(text, 1) < text.length;
}

/** "12345678", "abcdefgh", "hgfedcba". */
function isRun(characters: readonly string[]): boolean {
  const codes = characters.map((character) => character.codePointAt(0) ?? 0);
  const step = codes[1]! - codes[0]!;
  return Math.abs(step) === 1 && codes.every((code, i) => i === 0 || code - codes[i - 1]! === step);
}
