/** Consent desk: one subscriber at a time, for a stated purpose; figures of all, which name nobody. */
import { useState } from 'preact/hooks';
import type { ConsentExport, ConsentView, LedgerView } from '../../src/subscribers/consent/routes.ts';
import { Field, PurposeField, Reasoned, useAct } from '../forms.tsx';
import { t } from '../language.ts';
import type { Figures } from '../live.ts';
import { countText } from '../numbers.ts';
import { Badge, Empty, Fault, NotHere, Panel, Table, Time, useLoaded } from '../parts.tsx';
import { ask, may } from '../session.ts';
import type { ViewProps } from './all.ts';

type Purpose = ConsentView['purposes'][number]['purpose'];

export function Consent({ live: { figures } }: ViewProps) {
  const [subscriber, setSubscriber] = useState('');
  const [reason, setReason] = useState('');
  const [shown, setShown] = useState<{ consent: ConsentView; all?: ConsentExport } | undefined>(undefined);
  const [changing, setChanging] = useState<{ purpose: Purpose; action: 'opt-out' | 'opt-in' } | undefined>(undefined);
  const { busy, error, act } = useAct();
  const look = (full: boolean) =>
    act(async () => {
      const asked = { path: { subscriber: subscriber.trim() }, query: { reason: reason.trim() } };
      if (!full) {
        setShown({ consent: await ask<ConsentView>('GET /v1/consent/subscribers/:subscriber', asked) });
        return;
      }
      const all = await ask<ConsentExport>('GET /v1/consent/subscribers/:subscriber/export', asked);
      setShown({ consent: all.consent, all });
    });
  return (
    <>
      <Panel title={t.consent.one} aside={t.consent.audited}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setShown(undefined);
            look(false);
          }}
        >
          <div class="fields pair">
            <Field
              label={t.consent.subscriber}
              value={subscriber}
              mono
              required
              most={64}
              onChange={(text) => {
                setSubscriber(text);
                setShown(undefined);
              }}
            />
            <PurposeField value={reason} onChange={setReason} />
          </div>
          {error !== undefined && <Fault error={error} />}
          <div class="actions">
            <button type="submit" class="primary" disabled={busy}>
              {t.forms.show}
            </button>
          </div>
        </form>
      </Panel>
      {shown && (
        <>
          <Panel
            title={`${t.consent.subscriber} ${shown.consent.subscriber}`}
            aside={
              <span class="badges">
                <Badge tone={shown.consent.known ? 'good' : 'warn'}>
                  {shown.consent.known ? t.consent.known : t.consent.unknown}
                </Badge>
                <Badge>
                  {t.consent.terms} {shown.consent.terms ?? '–'}
                </Badge>
              </span>
            }
          >
            {!shown.consent.durable && <p class="note warn">{t.consent.notDurable}</p>}
            <Table
              label={t.consent.purposes}
              rows={shown.consent.purposes}
              keyOf={({ purpose }) => purpose}
              columns={[
                { head: t.consent.purpose, cell: ({ purpose }) => t.consent.purposeNames[purpose] ?? purpose },
                {
                  head: t.now.state,
                  cell: ({ state }) => (
                    <Badge tone={state === 'opted-out' ? 'warn' : state === 'unknown' ? 'plain' : 'good'}>
                      {t.consent.states[state] ?? state}
                    </Badge>
                  ),
                },
                { head: t.consent.inspected, cell: ({ inspected }) => (inspected ? t.yes : t.no) },
                {
                  head: t.rules.acts,
                  cell: ({ purpose, state }) =>
                    may('POST /v1/consent/subscribers/:subscriber/:action') && (
                      <span class="actions">
                        {state !== 'opted-out' && (
                          <button
                            type="button"
                            class="small"
                            onClick={() => setChanging({ purpose, action: 'opt-out' })}
                          >
                            {t.consent.optOut}
                          </button>
                        )}
                        {(state === 'opted-out' || state === 'unknown') && (
                          <button
                            type="button"
                            class="small"
                            onClick={() => setChanging({ purpose, action: 'opt-in' })}
                          >
                            {t.consent.optIn}
                          </button>
                        )}
                      </span>
                    ),
                },
              ]}
            />
            {!shown.all && may('GET /v1/consent/subscribers/:subscriber/export') && (
              <div class="actions">
                <button type="button" class="small" disabled={busy} onClick={() => look(true)}>
                  {t.consent.history}
                </button>
                <span class="hint">{t.consent.historyHint}</span>
              </div>
            )}
          </Panel>
          {shown.all && <History all={shown.all} />}
        </>
      )}
      <div class="grid">
        <People figures={figures} />
        <Ledger />
      </div>
      <NotHere text={t.consent.notHere} />
      {changing && (
        <Reasoned
          title={`${changing.action === 'opt-out' ? t.consent.optOut : t.consent.optIn}: ${t.consent.purposeNames[changing.purpose] ?? changing.purpose}`}
          text={changing.action === 'opt-out' ? t.consent.optOutText : t.consent.optInText}
          submit={changing.action === 'opt-out' ? t.consent.optOut : t.consent.optIn}
          onClose={() => setChanging(undefined)}
          onSubmit={async (stated) => {
            const consent = await ask<ConsentView>('POST /v1/consent/subscribers/:subscriber/:action', {
              path: { subscriber: subscriber.trim(), action: changing.action },
              body: { purpose: changing.purpose, reason: stated.reason, channel: 'call-centre' },
            });
            setShown({ consent });
          }}
        />
      )}
    </>
  );
}

function History({ all: { history, notices, names } }: { all: ConsentExport }) {
  return (
    <Panel title={t.consent.history}>
      {history.length === 0 ? (
        <Empty>{t.consent.noHistory}</Empty>
      ) : (
        <Table
          label={t.consent.history}
          rows={history}
          keyOf={({ seq }) => String(seq)}
          columns={[
            { head: t.rules.at, cell: ({ at }) => <Time at={at} /> },
            { head: t.consent.purpose, cell: ({ purpose }) => t.consent.purposeNames[purpose] ?? purpose },
            { head: t.rules.did, cell: ({ action }) => t.consent.actions[action] ?? action },
            { head: t.rules.by, cell: ({ who, channel }) => `${who} · ${channel}` },
            { head: t.consent.terms, cell: ({ terms }) => <span class="whole">{terms}</span> },
            { head: t.rules.why, cell: ({ reason }) => reason },
          ]}
        />
      )}
      {notices.length > 0 && (
        <>
          <h3>{t.consent.notices}</h3>
          <Table
            label={t.consent.notices}
            rows={notices}
            keyOf={({ category, list, first }) => `${category}${list}${first}`}
            columns={[
              { head: t.explain.list, cell: ({ list }) => list },
              { head: t.lists.category, cell: ({ category }) => t.lists.categories[category] ?? category },
              { head: t.consent.first, cell: ({ first }) => <Time at={first} seconds={false} /> },
              { head: t.consent.last, cell: ({ last }) => <Time at={last} seconds={false} /> },
              { head: t.consent.times, number: true, cell: ({ count }) => countText(count) },
            ]}
          />
        </>
      )}
      {names.length > 0 && (
        <>
          <h3>{t.consent.names}</h3>
          <ul class="names">
            {names.map(({ list, name, count }) => (
              <li key={`${list}${name}`}>
                <code>{name}</code> ({list}, {countText(count)})
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

/** Of all subscribers: how many, and in how much doubt. */
function People({ figures }: { figures: Figures | undefined }) {
  const status = figures?.status as
    | {
        leases?: { addresses: number; conflicts: number; refused: number } | null;
        ranges?: { rows: number; rejected: number; unreadable: number } | null;
      }
    | undefined;
  return (
    <Panel title={t.consent.figures}>
      <dl class="pairs counts">
        <div>
          <dt>{t.consent.leases}</dt>
          <dd>{status?.leases ? countText(status.leases.addresses) : '–'}</dd>
        </div>
        <div>
          <dt>{t.consent.conflicts}</dt>
          <dd>{status?.leases ? countText(status.leases.conflicts + status.leases.refused) : '–'}</dd>
        </div>
        <div>
          <dt>{t.consent.ranges}</dt>
          <dd>{status?.ranges ? countText(status.ranges.rows) : '–'}</dd>
        </div>
        <div>
          <dt>{t.consent.leftOut}</dt>
          <dd>{status?.ranges ? countText(status.ranges.rejected) : '–'}</dd>
        </div>
      </dl>
    </Panel>
  );
}

function Ledger() {
  const { answer, error, again } = useLoaded(() => ask<LedgerView>('GET /v1/consent/ledger'), 'ledger');
  return (
    <Panel
      title={t.consent.ledger}
      aside={
        answer && <Badge tone={answer.holds ? 'good' : 'bad'}>{answer.holds ? t.record.holds : t.record.broken}</Badge>
      }
    >
      {error !== undefined && <Fault error={error} />}
      {answer && (
        <>
          <p>{t.consent.entries(countText(answer.entries))}</p>
          {answer.problem !== null && (
            <p class="note bad" lang="en">
              {answer.problem}
            </p>
          )}
        </>
      )}
      <div class="actions">
        <button type="button" class="small" onClick={again}>
          {t.record.verify}
        </button>
      </div>
    </Panel>
  );
}
