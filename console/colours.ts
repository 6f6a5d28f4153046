/**
 * Light and dark: as the system is, or as somebody chose. The style sheets say what is dark in one place, by the media query that the
 * notice page uses too; a choice makes that query hold always, or never.
 */
import { keep, remembered } from './language.ts';

export type Colours = 'auto' | 'light' | 'dark';

const KEPT = 'sekisho-colours';
const QUERIES: Readonly<Record<Colours, string>> = {
  auto: '(prefers-color-scheme: dark)',
  light: 'not all',
  dark: 'all',
};

let chosen: Colours = 'auto';
const rules: CSSMediaRule[] = [];

export function coloursChosen(): Colours {
  return chosen;
}

export function chooseColours(colours: Colours): void {
  keep(KEPT, colours);
  apply(colours);
}

function apply(colours: Colours): void {
  chosen = colours;
  if (rules.length === 0)
    for (const sheet of document.styleSheets)
      for (const rule of sheet.cssRules)
        if (rule instanceof CSSMediaRule && /prefers-color-scheme:\s*dark/.test(rule.media.mediaText)) rules.push(rule);
  for (const rule of rules) rule.media.mediaText = QUERIES[colours];
  document.documentElement.style.colorScheme = colours === 'auto' ? 'light dark' : colours;
  dispatchEvent(new Event('sekisho-colours'));
}

const kept = remembered(KEPT);
if (kept === 'light' || kept === 'dark') apply(kept);
