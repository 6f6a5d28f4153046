/** Now: what the server does, beside what is normal at this hour. */
import type { NormalReport } from '../../plugins/query-history/report-shapes.ts';
import type { Status } from '../../src/admin/status.ts';
import type { FleetStatusView } from '../../src/fleet/view.ts';
import { Chart } from '../chart.tsx';
import { t } from '../language.ts';
import type { Figures, Point } from '../live.ts';
import { bytesText, countText, msText, rateText, shareText, spanText } from '../numbers.ts';
import { Badge, Empty, NotHere, Panel, Shares, Table, type Tone, useLoaded } from '../parts.tsx';
import { ask, may } from '../session.ts';
import type { ViewProps } from './all.ts';

const NORMAL_MS = 60_000;
/** As the detection of overloads has it: what lies outside is unusual, not yet an overload. */
const SPREADS = 3;

export function Now({ live: { figures, points }, session }: ViewProps) {
  const hasNormal = may('GET /v1/query-history/normal');
  const { answer: normal } = useLoaded(
    () => (hasNormal ? ask<NormalReport>('GET /v1/query-history/normal') : Promise.resolve(undefined)),
    'normal',
    NORMAL_MS,
  );
  const known = normal && normal.basis !== 'none' ? normal : undefined;
  if (!figures) return <Empty>{t.now.waiting}</Empty>;
  const band = known && bandOf(known.rate);
  const past = joinedPast(normal, points);
  const { status } = figures;
  return (
    <>
      <Warnings status={status} />
      <Tiles figures={figures} normal={known} />
      <div class="grid">
        <Panel
          wide
          title={t.now.curve}
          aside={
            known ? t.now.basis(t.now.bases[known.basis] ?? known.basis, known.samples) : hasNormal && t.now.noNormal
          }
        >
          <Chart
            label={t.now.curve}
            told={`${rateText(last(past)?.queries ?? 0)}${t.perSecond}${band ? `; ${bandText(band)}` : ''}`}
            times={past.map(({ at }) => at / 1000)}
            curves={[
              { label: t.now.queries, colour: '--series-1', values: past.map(({ queries }) => queries), fill: true },
            ]}
            band={band}
            height={190}
            valueText={rateText}
            least={10}
          />
        </Panel>
        <Panel title={t.now.failures}>
          <Chart
            label={t.now.failures}
            told={`SERVFAIL ${rateText(last(points)?.servfail ?? 0)}, NXDOMAIN ${rateText(last(points)?.nxdomain ?? 0)}`}
            times={points.map(({ at }) => at / 1000)}
            curves={[
              { label: 'SERVFAIL', colour: '--series-bad', values: points.map(({ servfail }) => servfail) },
              { label: 'NXDOMAIN', colour: '--series-2', values: points.map(({ nxdomain }) => nxdomain) },
              { label: t.now.drops, colour: '--series-3', values: points.map(({ drops }) => drops) },
            ]}
            height={130}
            valueText={rateText}
            least={5}
          />
        </Panel>
        <Panel title={t.now.latencyCurve}>
          <Chart
            label={t.now.latencyCurve}
            told={figures.latency ? msText(figures.latency.p95) : t.unknown}
            times={points.map(({ at }) => at / 1000)}
            curves={[{ label: t.now.latency, colour: '--series-4', values: points.map(({ p95 }) => p95), fill: true }]}
            height={156}
            valueText={rateText}
            least={2}
          />
        </Panel>
        <Upstreams status={status} />
        <Workers status={status} />
        <Nodes status={status} />
        <Panel title={t.now.answers}>
          {Object.keys(figures.rcodes).length === 0 ? (
            <Empty>0{t.perSecond}</Empty>
          ) : (
            <Shares
              label={t.now.answers}
              parts={figures.rcodes}
              text={(value, share) => `${rateText(value)}${t.perSecond} · ${shareText(share)}`}
            />
          )}
        </Panel>
        <Panel title={t.now.dropped}>
          {Object.keys(figures.drops).length === 0 ? (
            <Empty>{t.now.nothingDropped}</Empty>
          ) : (
            <Shares label={t.now.dropped} parts={figures.drops} text={(value) => `${rateText(value)}${t.perSecond}`} />
          )}
        </Panel>
      </div>
      <NotHere text={session.views.includes('overload') ? t.notHere.text : t.notHere.textOther} />
    </>
  );
}

function Tiles({ figures, normal }: { figures: Figures; normal: NormalReport | undefined }) {
  const { rcodes, cache, drops, queries, latency, status } = figures;
  const rate = sum(queries);
  const answers = sum(rcodes);
  const share = (of: number) => (answers > 0 ? of / answers : 0);
  const lookups = (cache['hit'] ?? 0) + (cache['miss'] ?? 0) + (cache['stale'] ?? 0) + (cache['failure'] ?? 0);
  const hits = (cache['hit'] ?? 0) + (cache['stale'] ?? 0);
  const band = normal && bandOf(normal.rate);
  const rateTone: Tone = band && rate > Math.max(band.to, 10) ? 'warn' : 'plain';
  const servfail = share(rcodes['SERVFAIL'] ?? 0);
  const dropped = sum(drops);
  return (
    <ul class="tiles">
      <Tile
        label={t.now.state}
        value={status.ready ? t.now.serving : t.now.notServing}
        tone={status.ready ? 'good' : 'bad'}
        under={t.now.since(spanText(status.uptimeSeconds))}
      />
      <Tile
        label={t.now.queries}
        value={`${rateText(rate)}`}
        unit={t.perSecond}
        tone={rateTone}
        under={band ? bandText(band) : `${t.now.total} ${countText(status.queries.total)}`}
      />
      <Tile
        label={t.now.servfail}
        value={shareText(servfail)}
        tone={servfail > 0.1 ? 'bad' : servfail > 0.03 ? 'warn' : 'plain'}
        under={
          normal
            ? `${t.now.normal} ${shareText(normal.servfail.median)}`
            : `${rateText(rcodes['SERVFAIL'] ?? 0)}${t.perSecond}`
        }
      />
      <Tile
        label={t.now.nxdomain}
        value={shareText(share(rcodes['NXDOMAIN'] ?? 0))}
        under={`${rateText(rcodes['NXDOMAIN'] ?? 0)}${t.perSecond}`}
      />
      <Tile
        label={t.now.cache}
        value={lookups > 0 ? shareText(hits / lookups) : '–'}
        under={`${bytesText(status.cache.usedBytes)} / ${bytesText(status.cache.sizeBytes)}`}
      />
      <Tile
        label={t.now.latency}
        value={latency ? msText(latency.p95) : '–'}
        under={latency ? `${t.now.p50} ${msText(latency.p50)}` : ''}
      />
      <Tile
        label={t.now.drops}
        value={rateText(dropped)}
        unit={t.perSecond}
        tone={dropped > 10 ? 'warn' : 'plain'}
        under={`${t.now.total} ${countText(status.queries.dropped)}`}
      />
    </ul>
  );
}

function Tile({
  label,
  value,
  unit = '',
  under,
  tone = 'plain',
}: {
  label: string;
  value: string;
  unit?: string;
  under: string;
  tone?: Tone;
}) {
  return (
    <li class={`tile ${tone}`}>
      <span class="label">{label}</span>
      <span class="value">
        {value}
        {unit !== '' && <small>{unit}</small>}
      </span>
      <span class="under">{under}</span>
    </li>
  );
}

function Warnings({ status: { warnings } }: { status: Status }) {
  if (warnings.length === 0) return null;
  return (
    <details class="note warn" open={warnings.length <= 3}>
      <summary>{t.now.warnings(warnings.length)}</summary>
      <ul lang="en">
        {warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </details>
  );
}

function Upstreams({ status: { upstreams, resolve } }: { status: Status }) {
  if (resolve)
    return (
      <Panel title={t.now.resolve}>
        <Shares label={t.now.resolve} parts={resolve.outcomes} text={(value) => countText(value)} />
      </Panel>
    );
  return (
    <Panel title={t.now.upstreams}>
      {upstreams.length === 0 ? (
        <Empty>{t.none}</Empty>
      ) : (
        <Table
          label={t.now.upstreams}
          rows={upstreams}
          keyOf={({ address }) => address}
          columns={[
            { head: t.now.address, cell: ({ address }) => <code>{address}</code> },
            {
              head: t.now.state,
              cell: ({ state }) => (
                <Badge tone={state === 'up' ? 'good' : state === 'down' ? 'bad' : 'plain'}>
                  {t.now.states[state] ?? state}
                </Badge>
              ),
            },
            { head: t.now.rtt, number: true, cell: ({ rttMs }) => (rttMs === null ? '–' : msText(rttMs)) },
            { head: t.now.queries, number: true, cell: ({ queries }) => countText(queries) },
            { head: t.now.failed, number: true, cell: ({ failures }) => countText(failures) },
          ]}
        />
      )}
    </Panel>
  );
}

function Workers({ status: { workers } }: { status: Status }) {
  return (
    <Panel title={t.now.workers}>
      <Table
        label={t.now.workers}
        rows={workers}
        keyOf={({ number }) => String(number)}
        columns={[
          { head: t.now.worker, cell: ({ number }) => `#${number}` },
          {
            head: t.now.state,
            cell: ({ state }) => (
              <Badge tone={state === 'running' ? 'good' : 'warn'}>{t.now.states[state] ?? state}</Badge>
            ),
          },
          { head: t.now.up, number: true, cell: ({ uptimeSeconds }) => spanText(uptimeSeconds) },
          { head: t.now.queries, number: true, cell: ({ queries }) => countText(queries) },
          { head: t.now.restarts, number: true, cell: ({ restarts }) => countText(restarts) },
        ]}
      />
    </Panel>
  );
}

/** Where the server is one of a fleet: whether it may inspect, and how the others stand. */
function Nodes({ status }: { status: Status }) {
  const { fleet } = status as { fleet?: FleetStatusView | null };
  if (!fleet) return null;
  return (
    <Panel
      wide
      title={t.now.nodes}
      aside={<Badge tone={fleet.fenced ? 'bad' : 'good'}>{fleet.fenced ? t.now.fenced : t.now.fenceUp}</Badge>}
    >
      {fleet.problem && (
        <p class="note bad" lang="en">
          {fleet.problem.message} {fleet.problem.remedy}
        </p>
      )}
      <Table
        label={t.now.nodes}
        rows={fleet.nodes}
        keyOf={({ name }) => name}
        columns={[
          { head: t.now.node, cell: ({ name }) => <b>{name === fleet.node ? `${name} *` : name}</b> },
          {
            head: t.now.state,
            cell: ({ state }) => (
              <Badge tone={state === 'inspecting' ? 'good' : state === 'silent' ? 'bad' : 'plain'}>
                {t.now.states[state] ?? state}
              </Badge>
            ),
          },
          { head: t.now.lag, number: true, cell: ({ lag }) => countText(lag) },
          { head: t.now.lastWord, number: true, cell: ({ seenAgoMs }) => msText(Math.max(0, seenAgoMs)) },
          { head: t.now.version, cell: ({ version }) => version ?? t.unknown },
        ]}
      />
    </Panel>
  );
}

function bandOf({ median, spread }: { median: number; spread: number }): { from: number; to: number } {
  const width = Math.max(SPREADS * spread, median * 0.1);
  return { from: Math.max(0, median - width), to: median + width };
}

function bandText({ from, to }: { from: number; to: number }): string {
  return t.now.normalBand(rateText(from), rateText(to));
}

/** The history's quarter of an hour ahead of what this page has seen itself. */
function joinedPast(normal: NormalReport | undefined, points: readonly Point[]): { at: number; queries: number }[] {
  const first = points[0]?.at ?? Date.now();
  if (!normal) return points.map(({ at, queries }) => ({ at, queries }));
  const { stepSeconds, values } = normal.series;
  const end = normal.series.endMs;
  const before = values
    .map((queries, i) => ({ at: end - (values.length - 1 - i) * stepSeconds * 1000, queries }))
    .filter(({ at }) => at < first);
  return [...before, ...points.map(({ at, queries }) => ({ at, queries }))];
}

function sum(rates: Readonly<Record<string, number>>): number {
  return Object.values(rates).reduce((all, rate) => all + rate, 0);
}

function last<Of>(list: readonly Of[]): Of | undefined {
  return list.at(-1);
}
