/** Bars of one number per server, as SVG for the documentation: drawn by hand, because a library would be larger than it. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands behind the bar. */
  readonly text: string;
}

const WIDTH = 760;
const LABEL = 230;
const ROW = 26;
const TOP = 44;

/** `target`: a line at this value. The longest bar ends at `most`; what is longer is cut, with its number beside it. */
export function barChart(title: string, bars: readonly Bar[], most: number, target?: number): string {
  const room = WIDTH - LABEL - 90;
  const x = (value: number) => LABEL + (Math.min(value, most) / most) * room;
  const height = TOP + bars.length * ROW + 12;
  const rows = bars.flatMap(({ label, value, text }, i) => {
    const y = TOP + i * ROW;
    const fill = label.startsWith('Sekisho') ? '#1f6f8b' : '#9aa5ab';
    return [
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>`,
      `<rect x="${LABEL}" y="${y + 3}" width="${Math.max(1, x(value) - LABEL).toFixed(1)}" height="${ROW - 9}" fill="${fill}"/>`,
      `<text x="${(x(value) + 6).toFixed(1)}" y="${y + 15}">${escaped(text)}</text>`,
    ];
  });
  const line =
    target === undefined
      ? []
      : [
          `<line x1="${x(target)}" y1="${TOP - 4}" x2="${x(target)}" y2="${height - 8}" stroke="#b3261e" stroke-dasharray="4 3"/>`,
        ];
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13"><title>${title}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="24" font-size="15">${escaped(title)}</text>`,
    ...rows,
    ...line,
    '</svg>',
  ].join('\n')}\n`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
