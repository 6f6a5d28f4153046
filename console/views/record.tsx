/** Audit and report: whether the record holds, what was deleted, and the transparency report. */
import { useState } from 'preact/hooks';
import type { TransparencyReport } from '../../src/report/report.ts';
import type { TimeView } from '../../src/timekeeping/routes.ts';
import { useAct } from '../forms.tsx';
import { t } from '../language.ts';
import { countText, spanText } from '../numbers.ts';
import { Badge, Empty, Fault, NotHere, Panel, Rich, Table, Time, useLoaded } from '../parts.tsx';
import { ask, may } from '../session.ts';

interface AuditView {
  readonly ok: boolean;
  readonly entries: number;
  readonly head: string | null;
  readonly problem: string | null;
}
interface HistoryState {
  readonly retention: { readonly minutesMs: number; readonly hoursMs: number; readonly sourcesMs: number };
  readonly deletions: readonly { readonly at: string; readonly dataset: string; readonly rows: number }[];
}

export function Record() {
  const { answer: audit, error, again } = useLoaded(() => ask<AuditView>('GET /v1/audit/verify'), 'audit');
  const { answer: history } = useLoaded(
    () =>
      may('GET /v1/query-history/state')
        ? ask<HistoryState>('GET /v1/query-history/state')
        : Promise.resolve(undefined),
    'history',
  );
  const { answer: time } = useLoaded(
    () => (may('GET /v1/time') ? ask<TimeView>('GET /v1/time') : Promise.resolve(undefined)),
    'time',
    10_000,
  );
  return (
    <>
      <div class="grid">
        <Panel
          title={t.record.audit}
          aside={audit && <Badge tone={audit.ok ? 'good' : 'bad'}>{audit.ok ? t.record.holds : t.record.broken}</Badge>}
        >
          {error !== undefined && <Fault error={error} />}
          {audit && (
            <>
              <p>{t.record.entries(countText(audit.entries))}</p>
              {audit.head !== null && (
                <p>
                  <span class="hint">{t.record.head}</span>
                  <br />
                  <code>{audit.head}</code>
                </p>
              )}
              {audit.problem !== null && (
                <p class="note bad" lang="en">
                  {audit.problem}
                </p>
              )}
            </>
          )}
          <div class="actions">
            <button type="button" class="small" onClick={again}>
              {t.record.verify}
            </button>
          </div>
          <p class="hint">
            <Rich text={t.record.headHint} />
          </p>
        </Panel>
        {time && (
          <Panel
            title={t.record.time}
            aside={
              time.inDoubt ? <Badge tone="bad">{t.record.inDoubt}</Badge> : <Badge tone="good">{t.record.sure}</Badge>
            }
          >
            <dl class="pairs">
              <div>
                <dt>{t.record.serverTime}</dt>
                <dd>
                  <Time at={time.time} />
                </dd>
              </div>
              <div>
                <dt>{t.record.systemClock}</dt>
                <dd>
                  <Time at={time.systemClock} />
                </dd>
              </div>
            </dl>
            {time.behindSeconds > 1 && <p class="note warn">{t.record.behind(spanText(time.behindSeconds))}</p>}
          </Panel>
        )}
      </div>
      {may('GET /v1/report') && <Report />}
      {history && (
        <Panel
          title={t.record.deletions}
          aside={t.record.retention(
            spanText(history.retention.sourcesMs / 1000),
            spanText(history.retention.minutesMs / 1000),
            spanText(history.retention.hoursMs / 1000),
          )}
        >
          {history.deletions.length === 0 ? (
            <Empty>{t.record.noDeletion}</Empty>
          ) : (
            <Table
              label={t.record.deletions}
              rows={history.deletions}
              keyOf={({ at, dataset }) => `${at}${dataset}`}
              columns={[
                { head: t.rules.at, cell: ({ at }) => <Time at={at} /> },
                { head: t.record.dataset, cell: ({ dataset }) => dataset },
                { head: t.record.rows, number: true, cell: ({ rows }) => countText(rows) },
              ]}
            />
          )}
        </Panel>
      )}
      <NotHere text={t.record.notHere} />
    </>
  );
}

function Report() {
  const today = new Date().toISOString().slice(0, 10);
  const [from, setFrom] = useState(`${today.slice(0, 8)}01`);
  const [to, setTo] = useState(today);
  const [report, setReport] = useState<TransparencyReport | undefined>(undefined);
  const { busy, error, act } = useAct();
  return (
    <Panel title={t.record.report} aside={t.record.reportAside}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          act(async () => setReport(await ask<TransparencyReport>('GET /v1/report', { query: { from, to } })));
        }}
      >
        <div class="fields asked">
          <label>
            {t.record.from}
            <input
              type="date"
              value={from}
              max={to}
              required
              onInput={({ currentTarget }) => setFrom(currentTarget.value)}
            />
          </label>
          <label>
            {t.record.to}
            <input
              type="date"
              value={to}
              min={from}
              required
              onInput={({ currentTarget }) => setTo(currentTarget.value)}
            />
          </label>
          <button type="submit" class="primary" disabled={busy}>
            {t.record.make}
          </button>
        </div>
        {error !== undefined && <Fault error={error} />}
      </form>
      {report && <Reported report={report} />}
      <p class="hint">
        {t.record.publish}{' '}
        <code>
          sekisho report --from {from} --to {to} --format html
        </code>
      </p>
    </Panel>
  );
}

function Reported({ report }: { report: TransparencyReport }) {
  const measures = report.measures.filter(({ counts }) => counts.length > 0);
  return (
    <div class="report">
      <ul class="numbers">
        <li>
          <b>{countText(report.queries)}</b> {t.now.queries}
        </li>
        <li>
          <b>{countText(report.actions.reduce((sum, { count }) => sum + count, 0))}</b> {t.record.actions}
        </li>
        <li>
          <b>{countText(report.deletions.reduce((sum, { rows }) => sum + rows, 0))}</b> {t.record.deletedRows}
        </li>
      </ul>
      {measures.map(({ plugin, summary, counts }) => (
        <div key={plugin}>
          <h3>
            {plugin} <small lang="en">{summary}</small>
          </h3>
          <Table
            label={plugin}
            rows={counts}
            keyOf={({ help, labels }) => `${help}${JSON.stringify(labels)}`}
            columns={[
              {
                head: t.rules.what,
                cell: ({ help, labels }) => (
                  <span lang="en">
                    {help} <span class="hint">{Object.values(labels).join(' · ')}</span>
                  </span>
                ),
              },
              { head: t.consent.times, number: true, cell: ({ count }) => countText(count) },
              { head: t.record.days, number: true, cell: ({ days }) => countText(days) },
            ]}
          />
        </div>
      ))}
      {report.consent.length > 0 && (
        <div>
          <h3>{t.record.consent}</h3>
          <Table
            label={t.record.consent}
            rows={report.consent}
            keyOf={({ action, channel }) => `${action}${channel}`}
            columns={[
              { head: t.rules.did, cell: ({ action }) => t.consent.actions[action] ?? action },
              { head: t.record.channel, cell: ({ channel }) => channel },
              {
                head: t.consent.times,
                number: true,
                cell: ({ count }) => (count === null ? `< ${report.smallestCell}` : countText(count)),
              },
            ]}
          />
        </div>
      )}
      <div>
        <h3>{t.record.actions}</h3>
        <Table
          label={t.record.actions}
          rows={report.actions}
          keyOf={({ action }) => action}
          columns={[
            { head: t.rules.did, cell: ({ action }) => <code>{action}</code> },
            { head: t.consent.times, number: true, cell: ({ count }) => countText(count) },
            { head: t.consent.first, cell: ({ first }) => <Time at={first} seconds={false} /> },
            { head: t.consent.last, cell: ({ last }) => <Time at={last} seconds={false} /> },
          ]}
        />
      </div>
    </div>
  );
}
