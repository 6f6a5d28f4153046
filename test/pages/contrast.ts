/** Contrast of text as WCAG 2.2 §1.4.3 has it. */

/** A text as the browser shows it; colours as `rgb(r, g, b)`. */
export interface Seen {
  readonly text: string;
  readonly colour: string;
  readonly behind: string;
  readonly pixels: number;
}

/** For text of any size. */
const LEAST_CONTRAST = 4.5;
/** Smaller than that nobody should have to read on a telephone. */
const LEAST_PIXELS = 14;

/** Texts that are hard to read. */
export function contrastFaults(texts: readonly Seen[]): string[] {
  return texts.flatMap(({ text, colour, behind, pixels }) => {
    const [one, other] = [luminance(colour), luminance(behind)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < LEAST_CONTRAST) return [`'${text}': contrast ${contrast.toFixed(2)}`];
    return pixels < LEAST_PIXELS ? [`'${text}': ${pixels} pixels`] : [];
  });
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
