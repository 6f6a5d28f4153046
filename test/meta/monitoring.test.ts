/** What is handed out for Prometheus and Grafana: the rules are tried, and each names a runbook that is there, in both languages. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensurePackages, findProgram } from '../support/debian.ts';
import { alertRules, dashboardQueries } from '../support/monitoring.ts';
import { repositoryRoot } from '../support/root.ts';

const root = repositoryRoot();
const folder = join(root, 'monitoring');
const missing = ensurePackages(['promtool']);

describe.skipIf(missing.size > 0)('promtool', () => {
  test.each([
    ['check', 'rules', 'sekisho.rules.yml'],
    ['check', 'config', 'prometheus.yml'],
    ['test', 'rules', 'sekisho.rules.test.yml'],
  ])('%s %s %s', (...words) => {
    const { status, stdout, stderr } = spawnSync(findProgram('promtool')!, words, { cwd: folder, encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});

test('every alert is tried by a case of its own', () => {
  const tried = readFileSync(join(folder, 'sekisho.rules.test.yml'), 'utf8');
  for (const { alert } of alertRules())
    expect(tried, alert).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`));
});

test.each([
  ['operations.md', 'runbook'],
  ['operations.ja.md', 'runbook_ja'],
])('every alert names a section of docs/%s', (page, annotation) => {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  const headings = new Map([...text.matchAll(/^### (\S+)\n(.+)$/gm)].map(([, title, body]) => [title!, body!]));
  for (const { alert, annotations } of alertRules()) {
    expect(annotations[annotation]).toBe(`docs/${page}#${alert.toLowerCase()}`);
    // A sentence that says what to do.
    expect(headings.get(alert)?.length ?? 0, alert).toBeGreaterThan(30);
  }
});

test('the dashboard asks of the server that was chosen, and every panel asks something', () => {
  const queries = dashboardQueries();
  expect(queries.length).toBeGreaterThan(15);
  for (const query of queries) if (query.includes('rate(')) expect(query).toContain('instance=~"$instance"');
});
