/** Overload: is there one, what explains the rise, and the narrowest rule that would end it. */
import { useState } from 'preact/hooks';
import type {
  DiagnosisReport,
  PreviewReport,
  ShownOverload,
  ShownProposal,
} from '../../plugins/query-history/report-shapes.ts';
import type { DeskRulesView, DeskRuleView } from '../../src/rules/rule-view.ts';
import { Chart } from '../chart.tsx';
import { Choice, Dialog, Field, type Ground, GroundFields, Reasoned, statedGround, useAct } from '../forms.tsx';
import { t } from '../language.ts';
import { msText, rateText, shareText } from '../numbers.ts';
import { Badge, Countdown, Empty, Fault, NotHere, Panel, Table, Time, useLoaded } from '../parts.tsx';
import { ask, may } from '../session.ts';

interface State {
  readonly overload: ShownOverload | null;
  readonly overloads: readonly ShownOverload[];
  readonly signals: ShownOverload['signals'];
}

const WINDOWS = { '60': '1 min', '300': '5 min', '900': '15 min', '3600': '1 h' } as const;
type Window = keyof typeof WINDOWS;

export function Overload() {
  const { answer: state, error, again } = useLoaded(() => ask<State>('GET /v1/query-history/state'), 'state', 5000);
  const [report, setReport] = useState<DiagnosisReport | undefined>(undefined);
  const [closing, setClosing] = useState(false);
  return (
    <>
      {error !== undefined && <Fault error={error} />}
      {state && (
        <Panel
          title={t.overload.state}
          aside={
            state.overload ? (
              <Badge tone="bad">{t.overload.open}</Badge>
            ) : (
              <Badge tone="good">{t.overload.closed}</Badge>
            )
          }
        >
          {state.overload ? (
            <>
              <ul class="facts">
                {state.overloads.map(({ by, since, reason, who }) => (
                  <li key={`${by}${since}`}>
                    <Badge tone={by === 'detected' ? 'warn' : 'info'}>
                      {by === 'detected' ? t.overload.detected : t.overload.declared}
                    </Badge>{' '}
                    <Time at={since} /> · {who} · {reason}
                  </li>
                ))}
              </ul>
              {may('DELETE /v1/query-history/overload') && (
                <button type="button" class="small" onClick={() => setClosing(true)}>
                  {t.overload.close}
                </button>
              )}
            </>
          ) : (
            <p>{t.overload.closedText}</p>
          )}
          {state.signals.length > 0 && (
            <Table
              label={t.overload.signals}
              rows={state.signals}
              keyOf={({ signal }) => signal}
              columns={[
                { head: t.overload.signal, cell: ({ signal }) => t.overload.signalNames[signal] ?? signal },
                { head: t.overload.value, number: true, cell: ({ signal, value }) => signalText(signal, value) },
                {
                  head: t.overload.threshold,
                  number: true,
                  cell: ({ signal, threshold }) => signalText(signal, threshold),
                },
                { head: t.overload.rationale, cell: ({ rationale }) => <span lang="en">{rationale}</span> },
              ]}
            />
          )}
        </Panel>
      )}
      <Diagnose open={state?.overload != null} onReport={setReport} />
      {report ? <Report report={report} onApplied={again} /> : <InForce />}
      <NotHere text={t.overload.marginals} />
      {closing && (
        <Reasoned
          title={t.overload.close}
          text={t.overload.closeText}
          submit={t.overload.close}
          onClose={() => setClosing(false)}
          onSubmit={({ reason }) => ask('DELETE /v1/query-history/overload', { body: { reason } }).then(again)}
        />
      )}
    </>
  );
}

function Diagnose({ open, onReport }: { open: boolean; onReport: (report: DiagnosisReport) => void }) {
  const [reason, setReason] = useState('');
  const [seconds, setSeconds] = useState<Window>('60');
  const { busy, error, act } = useAct();
  return (
    <Panel title={t.overload.diagnose} aside={t.overload.audited}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          act(async () => {
            const stated = reason.trim();
            const body = { windowSeconds: Number(seconds), ...(stated !== '' && { reason: stated }) };
            onReport(await ask<DiagnosisReport>('POST /v1/query-history/diagnose', { body }));
          });
        }}
      >
        <div class="fields asked">
          {!open && (
            <Field
              label={t.overload.reason}
              hint={t.overload.reasonHint}
              value={reason}
              onChange={setReason}
              required
              most={500}
            />
          )}
          <Choice label={t.overload.window} value={seconds} of={WINDOWS} onChange={setSeconds} />
          <button type="submit" class="primary" disabled={busy}>
            {busy ? t.overload.looking : t.overload.diagnose}
          </button>
        </div>
        {error !== undefined && <Fault error={error} />}
      </form>
    </Panel>
  );
}

function Report({ report, onApplied }: { report: DiagnosisReport; onApplied: () => void }) {
  const { rate, servfail, latencyMs, baseline, incidents, doubts, sure, series, window, proposals } = report;
  const end = Date.parse(window.from) + window.seconds * 1000;
  const times = series.values.map((_, i) => (end - (series.values.length - 1 - i) * series.stepSeconds * 1000) / 1000);
  return (
    <>
      <ul class="tiles">
        <Against
          label={t.now.queries}
          now={`${rateText(rate.now)}${t.perSecond}`}
          normal={`${rateText(rate.normal)}${t.perSecond}`}
          bad={rate.rise > 0 && rate.now > rate.normal * 1.5}
        />
        <Against
          label={t.overload.rise}
          now={`${rateText(rate.rise)}${t.perSecond}`}
          normal={t.now.bases[baseline.basis] ?? baseline.basis}
          bare
        />
        <Against
          label={t.now.servfail}
          now={shareText(servfail.now)}
          normal={shareText(servfail.normal)}
          bad={servfail.now > Math.max(0.1, servfail.normal * 2)}
        />
        <Against
          label={t.now.latency}
          now={msText(latencyMs.now)}
          normal={msText(latencyMs.normal)}
          bad={latencyMs.now > Math.max(100, latencyMs.normal * 4)}
        />
        <Against
          label={t.overload.sure}
          now={t.overload.sureness[sure] ?? sure}
          normal={`${t.overload.diagnosis} ${report.id}`}
          bare
        />
      </ul>
      <Panel title={t.overload.incidents} aside={<Time at={window.from} />}>
        {incidents.length === 0 ? (
          <Empty>{report.causes[0]?.text ?? t.overload.nothing}</Empty>
        ) : (
          <>
            <div
              class="stack"
              role="img"
              aria-label={incidents
                .map(({ cause, share }) => `${t.overload.causes[cause.cause] ?? cause.cause} ${shareText(share)}`)
                .join(', ')}
            >
              {incidents.map(({ cause, share }, i) => (
                <span
                  key={`${cause.cause}${cause.about}`}
                  class={`part part-${i % 4}`}
                  style={{ flexGrow: Math.max(0.02, share) }}
                >
                  {share > 0.12 && shareText(share)}
                </span>
              ))}
              <span
                class="part rest"
                style={{ flexGrow: Math.max(0, 1 - incidents.reduce((sum, { share }) => sum + share, 0)) }}
              />
            </div>
            <ol class="incidents">
              {incidents.map(({ cause, share }, i) => (
                <li key={`${cause.cause}${cause.about}`}>
                  <span class={`mark-part part-${i % 4}`} aria-hidden="true" />
                  <div>
                    <h3>
                      {t.overload.causes[cause.cause] ?? cause.cause}{' '}
                      <small>
                        {shareText(share)} {t.overload.ofRise}
                      </small>
                    </h3>
                    <p lang="en">{cause.text}</p>
                    {cause.signs.length > 0 && (
                      <ul class="plain" lang="en">
                        {cause.signs.map((sign) => (
                          <li key={sign}>{sign}</li>
                        ))}
                      </ul>
                    )}
                  </div>
                </li>
              ))}
            </ol>
          </>
        )}
        {doubts.length > 0 && (
          <details>
            <summary>{t.overload.doubts(doubts.length)}</summary>
            <ul class="plain" lang="en">
              {doubts.map((doubt) => (
                <li key={doubt}>{doubt}</li>
              ))}
            </ul>
          </details>
        )}
        <Chart
          label={t.now.curve}
          told={`${rateText(rate.now)}${t.perSecond}`}
          times={times}
          curves={[{ label: t.now.queries, colour: '--series-1', values: series.values, fill: true }]}
          band={baseline.basis === 'none' ? undefined : bandOf(rate)}
          height={130}
          valueText={rateText}
          least={10}
        />
      </Panel>
      <Proposals report={report} proposals={proposals} onApplied={onApplied} />
      <Explains report={report} />
      <InForce />
    </>
  );
}

function Against({
  label,
  now,
  normal,
  bad = false,
  bare = false,
}: {
  label: string;
  now: string;
  normal: string;
  bad?: boolean;
  bare?: boolean;
}) {
  return (
    <li class={bad ? 'tile bad' : 'tile'}>
      <span class="label">{label}</span>
      <span class="value">{now}</span>
      <span class="under">{bare ? normal : `${t.now.normal} ${normal}`}</span>
    </li>
  );
}

function Proposals({
  report,
  proposals,
  onApplied,
}: {
  report: DiagnosisReport;
  proposals: readonly ShownProposal[];
  onApplied: () => void;
}) {
  const [chosen, setChosen] = useState<ShownProposal | undefined>(undefined);
  return (
    <Panel title={t.overload.proposals} aside={t.overload.proposalsAside}>
      {proposals.length === 0 ? (
        <Empty>{t.overload.noProposal}</Empty>
      ) : (
        <ul class="proposals">
          {proposals.map((proposal) => (
            <li key={proposal.number}>
              <div class="what">
                <h3>
                  {proposal.number}. <span lang="en">{proposal.text}</span>{' '}
                  {proposal.escalation && <Badge tone="warn">{t.overload.wholeZone}</Badge>}
                </h3>
                <p class="hint">
                  {proposal.plugin} · {t.overload.limit} {rateText(proposal.limitPerSecond)}
                  {t.perSecond}
                </p>
              </div>
              <dl class="figures">
                <Figure name={t.overload.removes} value={shareText(proposal.removes)} bar={proposal.removes} />
                <Figure
                  name={t.overload.hits}
                  value={`${proposal.hitsIsUpperBound ? '≤ ' : ''}${shareText(proposal.hits)}`}
                  bar={proposal.hits}
                  tone="warn"
                />
                <Figure name={t.overload.matches} value={`${rateText(proposal.nowPerSecond)}${t.perSecond}`} />
                <Figure name={t.overload.trial} value={`${rateText(proposal.trial.limitedPerSecond)}${t.perSecond}`} />
              </dl>
              {proposal.obstacle !== '' ? (
                <p class="note warn" lang="en">
                  {proposal.obstacle}
                </p>
              ) : (
                may('POST /v1/query-history/apply') && (
                  <button type="button" class="primary" onClick={() => setChosen(proposal)}>
                    {t.overload.preview}
                  </button>
                )
              )}
            </li>
          ))}
        </ul>
      )}
      {chosen && (
        <Apply
          report={report}
          proposal={chosen}
          onClose={() => setChosen(undefined)}
          onApplied={() => {
            setChosen(undefined);
            onApplied();
          }}
        />
      )}
    </Panel>
  );
}

function Figure({ name, value, bar, tone = 'plain' }: { name: string; value: string; bar?: number; tone?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {bar !== undefined && (
          <span class={`meter ${tone}`} aria-hidden="true">
            <span style={{ inlineSize: `${Math.min(100, bar * 100)}%` }} />
          </span>
        )}
      </dd>
    </div>
  );
}

/** Ground, preview, dry run, in force: in this order. */
function Apply({
  report,
  proposal,
  onClose,
  onApplied,
}: {
  report: DiagnosisReport;
  proposal: ShownProposal;
  onClose: () => void;
  onApplied: () => void;
}) {
  const [ground, setGround] = useState<Ground>({ kind: 'self-defence' });
  const [escalate, setEscalate] = useState('');
  const [preview, setPreview] = useState<PreviewReport | undefined>(undefined);
  const { busy, error, act } = useAct();
  const body = (dryRun: boolean) => ({
    diagnosis: report.id,
    proposal: proposal.number,
    'dry-run': dryRun,
    ...(escalate.trim() !== '' && { escalate: escalate.trim() }),
    ground: statedGround(ground, { measure: true }),
  });
  const changed = (next: Ground) => {
    setGround(next);
    setPreview(undefined);
  };
  return (
    <Dialog title={t.overload.applyTitle(proposal.number)} onClose={onClose}>
      <p lang="en">
        <code>{proposal.text}</code>
      </p>
      <GroundFields ground={ground} onChange={changed} without={['effect']} measure />
      <p class="hint">{t.overload.evidenceHint}</p>
      {proposal.escalation && <Field label={t.overload.escalate} value={escalate} onChange={setEscalate} long />}
      {preview &&
        (preview.problems.length > 0 ? (
          <div class="note bad" role="alert">
            <strong>{t.forms.wouldRefuse}</strong>
            <ul lang="en">
              {preview.problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          </div>
        ) : (
          <div class="note good" role="status">
            <strong>{t.forms.nothingAgainst}</strong>
            <p>
              {t.overload.trialSays(
                rateText(preview.trial.matchedPerSecond),
                rateText(preview.trial.limitedPerSecond),
                rateText(preview.limitPerSecond),
              )}
            </p>
            <p class="hint" lang="en">
              {preview.limitRationale}
            </p>
          </div>
        ))}
      {error !== undefined && <Fault error={error} />}
      <div class="actions">
        <button
          type="button"
          disabled={busy}
          onClick={() =>
            act(async () =>
              setPreview(await ask<PreviewReport>('POST /v1/query-history/preview', { body: body(false) })),
            )
          }
        >
          {t.forms.check}
        </button>
        <button
          type="button"
          disabled={busy}
          onClick={() => act(() => ask('POST /v1/query-history/apply', { body: body(true) }).then(onApplied))}
        >
          {t.forms.dryRun}
        </button>
        <button
          type="button"
          class="primary"
          disabled={busy || preview === undefined || preview.problems.length > 0}
          onClick={() => act(() => ask('POST /v1/query-history/apply', { body: body(false) }).then(onApplied))}
        >
          {t.forms.inForce}
        </button>
      </div>
      {preview === undefined && <p class="hint">{t.forms.checkFirst}</p>}
    </Dialog>
  );
}

const MARGINALS = ['names', 'sources', 'kinds'] as const;
type Marginal = (typeof MARGINALS)[number];
const SHOWN: Readonly<Record<Marginal, readonly (keyof DiagnosisReport['explains'])[]>> = {
  names: ['domain', 'pattern', 'name'],
  sources: ['network', 'address'],
  kinds: ['types', 'rcodes', 'transports', 'cache', 'upstreams'],
};

/** One marginal at a time: names and sources never stand beside each other. */
function Explains({ report: { explains } }: { report: DiagnosisReport }) {
  const [marginal, setMarginal] = useState<Marginal>('names');
  const groups = SHOWN[marginal].filter((kind) => explains[kind].length > 0);
  return (
    <Panel
      title={t.overload.explains}
      aside={
        <fieldset class="segments" aria-label={t.overload.explains}>
          {MARGINALS.map((each) => (
            <button
              key={each}
              type="button"
              class="small"
              aria-pressed={each === marginal}
              onClick={() => setMarginal(each)}
            >
              {t.overload.marginalNames[each]}
            </button>
          ))}
        </fieldset>
      }
    >
      {groups.length === 0 && <Empty>{t.overload.nothingHeavy}</Empty>}
      <div class="columns">
        {groups.map((kind) => (
          <div key={kind}>
            <Table
              label={t.overload.kinds[kind] ?? kind}
              rows={explains[kind]}
              keyOf={({ key }) => key}
              columns={[
                { head: t.overload.kinds[kind] ?? kind, cell: ({ key }) => <code>{key}</code> },
                { head: t.overload.share, number: true, cell: ({ share }) => shareText(share) },
                { head: t.overload.value, number: true, cell: ({ now }) => rateText(now) },
                { head: t.now.normal, number: true, cell: ({ normal }) => rateText(normal) },
              ]}
            />
          </div>
        ))}
      </div>
    </Panel>
  );
}

/** Measures that run, with what is left of them. */
function InForce() {
  const { answer, error, again } = useLoaded(() => ask<DeskRulesView>('GET /v1/rules'), 'measures', 5000);
  const [lifting, setLifting] = useState<DeskRuleView | undefined>(undefined);
  const running = answer?.rules.filter(
    ({ origin, state }) => origin === 'diagnosis' && (state === 'in-force' || state === 'dry-run'),
  );
  return (
    <Panel title={t.overload.inForce} aside={<a href="#/rules">{t.views.rules}</a>}>
      {error !== undefined && <Fault error={error} />}
      {running?.length === 0 && <Empty>{t.overload.noneInForce}</Empty>}
      {running !== undefined && running.length > 0 && (
        <Table
          label={t.overload.inForce}
          rows={running}
          keyOf={({ id }) => id}
          columns={[
            { head: t.rules.what, cell: ({ text }) => <code>{text}</code> },
            {
              head: t.now.state,
              cell: ({ state }) => (
                <Badge tone={state === 'in-force' ? 'warn' : 'info'}>{t.rules.states[state] ?? state}</Badge>
              ),
            },
            {
              head: t.rules.matched,
              number: true,
              cell: ({ matched }) => (matched === null ? '–' : rateText(matched)),
            },
            {
              head: t.rules.limited,
              number: true,
              cell: ({ limited }) => (limited === null ? '–' : rateText(limited)),
            },
            {
              head: t.rules.left,
              number: true,
              cell: ({ endsAt }) => (endsAt === null ? '–' : <Countdown until={endsAt} />),
            },
            {
              head: t.rules.acts,
              cell: (rule) =>
                may('DELETE /v1/rules/:id') && (
                  <button type="button" class="small" onClick={() => setLifting(rule)}>
                    {t.rules.lift}
                  </button>
                ),
            },
          ]}
        />
      )}
      {lifting && (
        <Reasoned
          title={t.rules.liftTitle(lifting.text)}
          submit={t.rules.lift}
          onClose={() => setLifting(undefined)}
          onSubmit={({ reason }) =>
            ask('DELETE /v1/rules/:id', { path: { id: lifting.id }, body: { reason } }).then(again)
          }
        />
      )}
    </Panel>
  );
}

function bandOf({ normal, spread }: { normal: number; spread: number }) {
  const width = Math.max(3 * spread, normal * 0.1);
  return { from: Math.max(0, normal - width), to: normal + width };
}

function signalText(signal: string, value: number): string {
  if (signal === 'servfail' || signal === 'cpu') return shareText(value);
  return signal === 'latencyMs' ? msText(value) : `${rateText(value)}${t.perSecond}`;
}
