/** Live figures: one stream for the whole page, which comes back by itself when it breaks. */
import { useEffect, useState } from 'preact/hooks';
import type { Status } from '../src/admin/status.ts';
import { type Point, pointOf, type Figures as Sent } from '../src/console/figures.ts';

export type { Point };
export interface Figures extends Sent {
  readonly status: Status;
}

export interface Live {
  /** `lost`: the server does not answer; what is shown is old. */
  readonly link: 'waiting' | 'open' | 'lost';
  readonly figures: Figures | undefined;
  readonly points: readonly Point[];
  readonly everyMs: number;
}

/** A stream that says nothing for so long is broken, whatever the browser thinks. */
const SILENT_MS = 9_000;
const AGAIN_MS = 2_000;
const MOST_POINTS = 450;

export function useLive(onEnded: () => void): Live {
  const [live, setLive] = useState<Live>({ link: 'waiting', figures: undefined, points: [], everyMs: 2000 });
  useEffect(() => {
    let source: EventSource | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    let silent: ReturnType<typeof setTimeout> | undefined;
    const lost = () => {
      source?.close();
      clearTimeout(silent);
      clearTimeout(again);
      setLive((before) => ({ ...before, link: 'lost' }));
      again = setTimeout(open, AGAIN_MS);
    };
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(lost, SILENT_MS);
    };
    const open = () => {
      source?.close();
      source = new EventSource('/v1/live');
      heard();
      source.addEventListener('past', (event) => {
        heard();
        const { points, everyMs } = JSON.parse(event.data) as { points: Point[]; everyMs: number };
        setLive((before) => ({ ...before, link: 'open', everyMs, points: joined(before.points, points) }));
      });
      source.addEventListener('figures', (event) => {
        heard();
        const figures = JSON.parse(event.data) as Figures;
        setLive((before) => ({ ...before, link: 'open', figures, points: joined(before.points, [pointOf(figures)]) }));
      });
      source.addEventListener('ended', () => {
        source?.close();
        clearTimeout(silent);
        onEnded();
      });
      source.onerror = lost;
    };
    open();
    return () => {
      source?.close();
      clearTimeout(again);
      clearTimeout(silent);
    };
  }, [onEnded]);
  return live;
}

function joined(before: readonly Point[], after: readonly Point[]): Point[] {
  const first = after[0]?.at ?? Number.POSITIVE_INFINITY;
  return [...before.filter(({ at }) => at < first), ...after].slice(-MOST_POINTS);
}
