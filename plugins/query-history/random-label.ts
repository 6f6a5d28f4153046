/**
 * Does a label look as if a program had made it up? Judged by its letters alone, in one pass: digits strewn among letters,
 * or consonants in a row that no language has. A guess, used to fold labels into patterns and as one sign among several;
 * how many different names there are below a zone is counted, not guessed (HeavyHitters.distinct).
 */
const OTHER = 0;
const VOWEL = 1;
const CONSONANT = 2;
const DIGIT = 3;

const CLASS = new Uint8Array(256);
for (let c = 97; c <= 122; c++) CLASS[c] = CONSONANT;
for (const c of 'aeiouy') CLASS[c.charCodeAt(0)] = VOWEL;
for (let c = 48; c <= 57; c++) CLASS[c] = DIGIT;

/** Shorter ones are never called random: too little to judge by. */
const MIN_LENGTH = 7;
const MAX_CONSONANTS = 5;

/** The label whose length byte stands at `at` of a lowercased name. */
export function looksRandom(name: Uint8Array, at: number): boolean {
  const length = name[at]!;
  if (length < MIN_LENGTH) return false;
  let changes = 0;
  let run = 0;
  let longest = 0;
  let vowels = 0;
  let digits = 0;
  let last = OTHER;
  for (let i = at + 1; i <= at + length; i++) {
    const kind = CLASS[name[i]!]!;
    if (kind === DIGIT) {
      digits++;
      if (last === VOWEL || last === CONSONANT) changes++;
      run = 0;
    } else if (kind === OTHER) {
      run = 0;
    } else {
      if (last === DIGIT) changes++;
      if (kind === VOWEL) {
        vowels++;
        run = 0;
      } else if (++run > longest) longest = run;
    }
    last = kind;
  }
  if (changes >= 3 || longest >= MAX_CONSONANTS) return true;
  // Half a label of letters without a vowel, or a long number with letters.
  return digits < length && (vowels * 8 < length - digits || (digits >= 4 && length >= 10 && changes >= 2));
}
