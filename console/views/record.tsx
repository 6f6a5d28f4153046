/** Audit and report: whether the record holds, what was deleted, and the transparency report. */
import { useState } from 'preact/hooks';
import type { Counted, ReportedAction, TransparencyReport } from '../../src/report/report.ts';
import type { Words } from '../../src/report/words.ts';
import type { TimeView } from '../../src/timekeeping/routes.ts';
import { useAct } from '../forms.tsx';
import { language, t } from '../language.ts';
import { countText, spanText } from '../numbers.ts';
import { Badge, type Column, Empty, Fault, NotHere, Panel, Rich, Table, Time, useLoaded } from '../parts.tsx';
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
  const fewer = `< ${report.smallestCell}`;
  const told = (count: number | null) => (count === null ? fewer : countText(count));
  const words = (of: Words) => of[language()];
  const counted: Column<Counted>[] = [
    {
      head: t.rules.what,
      cell: ({ what, labels }) => (
        <>
          {words(what)} <span class="hint">{words(labels)}</span>
        </>
      ),
    },
    { head: t.consent.times, number: true, cell: ({ count }) => told(count) },
    { head: t.record.days, number: true, cell: ({ days }) => (days === null ? '–' : countText(days)) },
  ];
  const acted: Column<ReportedAction>[] = [
    { head: t.rules.did, cell: ({ what }) => words(what) },
    { head: t.consent.times, number: true, cell: ({ count }) => told(count) },
    { head: t.consent.first, cell: ({ first }) => first ?? '–' },
    { head: t.consent.last, cell: ({ last }) => last ?? '–' },
  ];
  const keyOf = ({ what, labels }: Counted) => `${what.en} ${labels.en}`;
  return (
    <div class="report">
      <ul class="numbers">
        <li>
          <b>{countText(report.queries)}</b> {t.now.queries}
        </li>
        <li>
          <b>{countText(report.audit.entries)}</b> {t.record.audit}
        </li>
      </ul>
      {report.measures
        .filter(({ counts }) => counts.length > 0)
        .map(({ plugin, counts }) => (
          <div key={plugin}>
            <h3>{plugin}</h3>
            <Table label={plugin} rows={counts} keyOf={keyOf} columns={counted} />
          </div>
        ))}
      {report.consent.length > 0 && (
        <div>
          <h3>{t.record.consent}</h3>
          <Table
            label={t.record.consent}
            rows={report.consent}
            keyOf={({ action, channel }) => `${action} ${channel}`}
            columns={[
              { head: t.rules.did, cell: ({ what }) => words(what) },
              { head: t.record.channel, cell: ({ by }) => words(by) },
              { head: t.consent.times, number: true, cell: ({ count }) => told(count) },
            ]}
          />
        </div>
      )}
      <div>
        <h3>{t.record.actions}</h3>
        <Table label={t.record.actions} rows={report.actions} keyOf={({ action }) => action} columns={acted} />
      </div>
      {report.refusals.actions.length + report.refusals.counts.length > 0 && (
        <div>
          <h3>{t.record.refusals}</h3>
          <Table
            label={t.record.refusals}
            rows={report.refusals.actions}
            keyOf={({ action }) => action}
            columns={acted}
          />
          {report.refusals.counts.length > 0 && (
            <Table label={t.record.refusals} rows={report.refusals.counts} keyOf={keyOf} columns={counted} />
          )}
        </div>
      )}
      {report.deletions.length > 0 && (
        <div>
          <h3>{t.record.deletedRows}</h3>
          <Table
            label={t.record.deletedRows}
            rows={report.deletions}
            keyOf={({ dataset }) => dataset}
            columns={[
              { head: t.record.dataset, cell: ({ what }) => words(what) },
              { head: t.consent.times, number: true, cell: ({ times }) => countText(times) },
              { head: t.record.rows, number: true, cell: ({ rows }) => told(rows) },
              { head: t.consent.last, cell: ({ last }) => last },
            ]}
          />
        </div>
      )}
    </div>
  );
}
