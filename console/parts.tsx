/** Parts that several views are made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from './language.ts';
import { spanText, timeText, zoneText } from './numbers.ts';
import { ApiError } from './session.ts';

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'info';

export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** `id` names the panel for those who do not see it. */
export function Panel({
  title,
  aside,
  children,
  wide = false,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  wide?: boolean;
}) {
  return (
    <section class={wide ? 'panel wide' : 'panel'} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside !== undefined && <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** An instant, with its zone for whoever asks. */
export function Time({ at, seconds = true, date = true }: { at: string | number; seconds?: boolean; date?: boolean }) {
  const instant = new Date(at);
  if (Number.isNaN(instant.getTime())) return <span>{String(at)}</span>;
  return (
    <time dateTime={instant.toISOString()} title={`${timeText(instant)} ${zoneText(instant)}`}>
      {timeText(instant, { seconds, date })}
    </time>
  );
}

/** What is left until an instant, counted down. */
export function Countdown({ until }: { until: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const left = (Date.parse(until) - Date.now()) / 1000;
  const tone = left <= 0 ? 'bad' : left < 600 ? 'warn' : 'plain';
  return (
    <span class={`countdown ${tone}`} role="timer" aria-live="off">
      {spanText(left)}
    </span>
  );
}

/** What the server refused, with what to do about it. */
export function Fault({ error }: { error: unknown }) {
  const api = error instanceof ApiError ? error : undefined;
  if (api?.unreachable)
    return (
      <div class="note bad" role="alert">
        <strong>{t.error.unreachable}</strong>
        <p>{t.error.unreachableText}</p>
      </div>
    );
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div class="note bad" role="alert">
      <strong>{t.error.refused}</strong>
      <p lang="en">{message}</p>
      {api && api.details.length > 0 && (
        <ul lang="en">
          {api.details.map((detail) => (
            <li key={detail}>{detail}</li>
          ))}
        </ul>
      )}
      {api && api.remedy !== '' && (
        <p>
          <b>{t.error.remedy}:</b> <span lang="en">{api.remedy}</span>
        </p>
      )}
      {api && api.code !== '' && <p class="code">{api.code}</p>}
    </div>
  );
}

/** Text in which `words` are what one types or configures. */
export function Rich({ text }: { text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code key={part}>{part}</code> : part))}</>;
}

/** Said where people look for what there is not, and why. */
export function NotHere({ text }: { text: string }) {
  return (
    <aside class="not-here" aria-label={t.notHere.title}>
      <strong>{t.notHere.title}</strong>
      <p>
        <Rich text={text} />
      </p>
    </aside>
  );
}

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Numbers stand right. */
  readonly number?: boolean;
}

/** A table that becomes a list of pairs on a telephone. */
export function Table<Row>({
  label,
  columns,
  rows,
  keyOf,
}: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
}) {
  return (
    <table class="table" aria-label={label}>
      <thead>
        <tr>
          {columns.map(({ head, number }) => (
            <th key={head} scope="col" class={number ? 'number' : ''}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            {columns.map(({ head, cell, number }) => (
              <td key={head} class={number ? 'number' : ''} data-head={head}>
                <span>{cell(row)}</span>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Parts of a whole, the largest first, each with a bar of its share. */
export function Shares({
  label,
  parts,
  text,
}: {
  label: string;
  parts: Readonly<Record<string, number>>;
  text: (value: number, share: number) => string;
}) {
  const all = Object.values(parts).reduce((sum, value) => sum + value, 0);
  const rows = Object.entries(parts).sort(([, one], [, other]) => other - one);
  return (
    <ul class="shares" aria-label={label}>
      {rows.map(([name, value]) => (
        <li key={name}>
          <span class="name">{name}</span>
          <span class="bar" aria-hidden="true">
            <span style={{ inlineSize: `${all > 0 ? (value / all) * 100 : 0}%` }} />
          </span>
          <span class="amount">{text(value, all > 0 ? value / all : 0)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Loads when it is shown and whenever `key` changes; again every `everyMs`. What was there stays while it loads. */
export function useLoaded<Answer>(
  load: () => Promise<Answer>,
  key: string,
  everyMs?: number,
): { readonly answer: Answer | undefined; readonly error: unknown; readonly again: () => void } {
  const [state, setState] = useState<{ answer: Answer | undefined; error: unknown }>({
    answer: undefined,
    error: undefined,
  });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = () =>
      load().then(
        (answer) => {
          if (gone) return;
          setState({ answer, error: undefined });
          if (everyMs !== undefined) timer = setTimeout(run, everyMs);
        },
        (error: unknown) => {
          if (gone) return;
          setState((before) => ({ ...before, error }));
          if (everyMs !== undefined || (error instanceof ApiError && error.unreachable))
            timer = setTimeout(run, everyMs ?? 3000);
        },
      );
    void run();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key, round]);
  return { ...state, again: () => setRound((before) => before + 1) };
}
