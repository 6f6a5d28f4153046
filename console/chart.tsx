/** A curve over time, with the band of normal behind it; told in words for those who do not see it. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { zoneIsUtc } from './numbers.ts';

const WINDOW_SECONDS = 15 * 60;
const LEAST_SECONDS = 3 * 60;

export interface Curve {
  readonly label: string;
  /** Custom property that names its colour, such as `--series-1`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly fill?: boolean;
}

export interface ChartProps {
  readonly label: string;
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly curves: readonly Curve[];
  readonly band?: { readonly from: number; readonly to: number } | undefined;
  readonly height: number;
  readonly valueText: (value: number) => string;
  /** What the curve shows, in a sentence. */
  readonly told: string;
  /** The least that the axis reaches to. */
  readonly least?: number;
}

export function Chart({ label, times, curves, band, height, valueText, told, least = 1 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shown = useRef({ band, valueText, least });
  shown.current = { band, valueText, least };
  const data = [times, ...curves.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const kind = curves.map(({ label, colour }) => `${label} ${colour}`).join('|');

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const draw = () => {
      plot.current?.destroy();
      const axis = {
        stroke: colour('--soft'),
        font,
        grid: { stroke: colour('--hairline'), width: 1 },
        ticks: { show: false },
      };
      plot.current = new uPlot(
        {
          width: Math.max(200, element.clientWidth),
          height,
          padding: [8, 8, 0, 0],
          legend: { show: false },
          cursor: { y: false, points: { size: 6 } },
          tzDate: (seconds) => (zoneIsUtc() ? uPlot.tzDate(new Date(seconds * 1000), 'UTC') : new Date(seconds * 1000)),
          scales: {
            // At most a quarter of an hour, and what of it is known.
            x: {
              range: (_plot, low, high) => [Math.max(high - WINDOW_SECONDS, Math.min(low, high - LEAST_SECONDS)), high],
            },
            y: {
              range: (_plot, _low, high) => [
                0,
                Math.max(shown.current.least, high ?? 0, shown.current.band?.to ?? 0) * 1.08,
              ],
            },
          },
          axes: [
            { ...axis, size: 20, space: 70, incrs: [60, 120, 300, 900], values: '{HH}:{mm}', gap: 4 },
            { ...axis, size: 56, gap: 6, values: (_plot, ticks) => ticks.map((tick) => shown.current.valueText(tick)) },
          ],
          series: [
            {},
            ...curves.map(({ label, colour: name, fill }) => ({
              label,
              stroke: colour(name),
              width: 1.5,
              spanGaps: true,
              points: { show: false },
              ...(fill && { fill: `color-mix(in srgb, ${colour(name)} 12%, transparent)` }),
            })),
          ],
          hooks: {
            drawClear: [
              (self) => {
                const { band } = shown.current;
                if (!band) return;
                const { ctx, bbox } = self;
                const top = Math.max(bbox.top, self.valToPos(band.to, 'y', true));
                const bottom = Math.min(bbox.top + bbox.height, self.valToPos(Math.max(0, band.from), 'y', true));
                ctx.save();
                ctx.fillStyle = colour('--band');
                ctx.fillRect(bbox.left, top, bbox.width, Math.max(0, bottom - top));
                ctx.restore();
              },
            ],
          },
        },
        data,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() => {
      if (plot.current && Math.abs(plot.current.width - element.clientWidth) > 1)
        plot.current.setSize({ width: Math.max(200, element.clientWidth), height });
    });
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    addEventListener('sekisho-colours', draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      removeEventListener('sekisho-colours', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [kind, height]);
  useEffect(() => plot.current?.setData(data), [times]);

  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={`${label}. ${told}`} style={{ minBlockSize: `${height}px` }} />
      {curves.length > 1 && (
        <figcaption>
          {curves.map(({ label, colour }) => (
            <span key={label} class="key">
              <i class="swatch" style={{ background: `var(${colour})` }} />
              {label}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}
