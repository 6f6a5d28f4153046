/** The files of monitoring/: which metrics and labels their queries speak of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { repositoryRoot } from './root.ts';

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const folder = join(repositoryRoot(), 'monitoring');
/** Labels that Prometheus adds by itself. */
const SCRAPED = ['instance', 'job'];

export function alertRules(): AlertRule[] {
  const { groups } = parse(readFileSync(join(folder, 'sekisho.rules.yml'), 'utf8')) as {
    groups: { rules: AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

/** Of every panel and variable. */
export function dashboardQueries(): string[] {
  const { panels, templating, annotations } = JSON.parse(
    readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8'),
  ) as {
    panels: { targets: { expr: string }[] }[];
    templating: { list: { query: string | { query: string } }[] };
    annotations: { list: { expr: string }[] };
  };
  return [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => (typeof query === 'string' ? query : query.query)),
    ...annotations.list.map(({ expr }) => expr),
  ];
}

/** Metrics of a query that a server's page does not have, and labels that the metric does not have there. */
export function unknownIn(query: string, page: string): string[] {
  const families = new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
  const unknown: string[] = [];
  const around = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names]) => names!.split(/,\s*/));
  for (const [, metric, selectors = ''] of query.matchAll(/\b(sekisho_\w+)(?:\{([^}]*)\})?/g)) {
    const family = metric!.replace(/_bucket$/, '');
    if (!families.has(family)) {
      unknown.push(metric!);
      continue;
    }
    const samples = [...page.matchAll(new RegExp(`^${metric}(?:\\{([^}]*)\\})? `, 'gm'))];
    // One that has no sample yet tells nothing of its labels.
    if (samples.length === 0) continue;
    const labels = new Set(
      samples.flatMap(([, text = '']) => [...text.matchAll(/(\w+)="/g)].map(([, label]) => label!)),
    );
    const used = [...selectors.matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label!);
    for (const label of [...used, ...around])
      if (!SCRAPED.includes(label) && !labels.has(label)) unknown.push(`${metric}{${label}}`);
  }
  return unknown;
}
