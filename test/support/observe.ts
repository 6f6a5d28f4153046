/** What a running server tells about itself, for tests: its metrics, its log, its process; and waiting for any of them. */
import { readdirSync } from 'node:fs';
import { afterAll } from 'vitest';
import type { SekishoServer } from './sekisho.ts';

/** Samples of one scrape. */
export class MetricsPage {
  readonly text: string;
  readonly #samples: { name: string; labels: string; value: number }[];

  constructor(text: string) {
    this.text = text;
    this.#samples = [...text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
      name: name ?? '',
      labels: labels ?? '',
      value: Number(value),
    }));
  }

  /** Sum of the samples of that name that carry all those labels. NaN where there is none. */
  total(name: string, labels: Record<string, string> = {}): number {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    const found = this.#samples.filter(
      (sample) => sample.name === name && wanted.every((w) => sample.labels.includes(w)),
    );
    return found.length === 0 ? Number.NaN : found.reduce((sum, { value }) => sum + value, 0);
  }
}

export async function scrape(server: SekishoServer): Promise<MetricsPage> {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/metrics`, { signal: AbortSignal.timeout(5_000) });
  return new MetricsPage(await response.text());
}

/** Lines of the server's log. */
export function logOf(server: { stdout(): string }): Record<string, unknown>[] {
  return server
    .stdout()
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}

/** File descriptors that the process has open. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Look again and again until `look` returns something that is neither false nor undefined; rejects after `limitMs`. */
export async function waitFor<T>(
  what: string,
  look: () => T | false | undefined | Promise<T | false | undefined>,
  limitMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** For what a test file starts: `keep` it, and it is stopped when the file is done, last started first. */
export function stoppedAfterwards(): <T extends { stop?: () => Promise<unknown>; close?: () => unknown }>(
  started: T,
) => T {
  const kept: { stop?: () => Promise<unknown>; close?: () => unknown }[] = [];
  afterAll(async () => {
    for (const each of kept.reverse()) await (each.stop?.() ?? each.close?.());
  });
  return (started) => {
    kept.push(started);
    return started;
  };
}
