/**
 * What spreadsheets, databases and people put around the text of a cell, taken off: spaces of all widths, full-width forms
 * (１９２．０．２．１), apostrophes and formulas (="192.0.2.1") that keep a text a text, marks that nobody sees.
 *
 * Only what cannot mean anything else: a superscript 2 or a ② is not turned into a 2, it makes the cell unreadable.
 */
import { isSubscriberNumber } from './table/directory.ts';

/** Zero-width space and joiners, soft hyphen, BOM, marks of direction that move nothing; NUL is left of UTF-16. */
const UNSEEN = /[\0\u00ad\u061c\u180e\u200b-\u200f\u2060\ufeff]/g;
const FULL_WIDTH = /[\uff01-\uff5e]/g;
const FULL_WIDTH_SHIFT = 0xff01 - 0x21;

const SAME: readonly [RegExp, string][] = [
  [/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' '],
  [/[\u2010-\u2015\u2212]/g, '-'],
  [/[\u301c\u223c]/g, '~'],
  [/[\u3002\uff61]/g, '.'],
  [/[\u2236\ua789]/g, ':'],
  [/[\u2044\u2215]/g, '/'],
  [/[\u201c-\u201f\u00ab\u00bb]/g, '"'],
  [/[\u2018-\u201b\u02bc]/g, "'"],
];

/** A line in plain ASCII as far as it has any. Before its cells are told apart: separators and quotes have such forms too. */
export function plainText(line: string): string {
  if (!/[^\x01-\x7f]/.test(line)) return line;
  let text = line
    .replace(UNSEEN, '')
    .replace(FULL_WIDTH, (wide) => String.fromCharCode(wide.charCodeAt(0) - FULL_WIDTH_SHIFT));
  for (const [forms, plain] of SAME) text = text.replace(forms, plain);
  return text;
}

/** The text of a cell. */
export function cellText(cell: string): string {
  let text = cell.trim();
  // Excel's way to keep a text a text, in a file and in a sheet.
  const formula = /^=\s*"([^"]*)"$/.exec(text);
  if (formula) text = (formula[1] ?? '').trim();
  if (text.startsWith("'") || text.startsWith('`')) text = text.slice(1).replace(/['`]$/, '');
  return text.trim();
}

/**
 * Written where there is none; a subscriber of that name would be many at once. So would one that a spreadsheet took for a
 * number: 4.7E+11 stands for a thousand of them, and 4711.0 is not the 4711 who opted out.
 */
const NO_NUMBER = /^(?:null|none|nil|nan|n\/?a|undefined|unknown|empty|true|false)$|^\d+\.0+$|^\d(?:\.\d+)?E\+?\d+$/i;

/** The subscriber number or contract group of a cell, as the ledger knows it; undefined where there is none. */
export function subscriberOf(text: string): string | undefined {
  return isSubscriberNumber(text) && !NO_NUMBER.test(text) ? text : undefined;
}
