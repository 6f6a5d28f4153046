/** Infected terminals: cases of what third parties reported, for a stated purpose. */
import { useState } from 'preact/hooks';
import type { CasesView, CaseView } from '../../src/terminals/routes.ts';
import { Choice, Field, PurposeField, Reasoned, useAct } from '../forms.tsx';
import { t } from '../language.ts';
import { countText } from '../numbers.ts';
import { Badge, Empty, Fault, NotHere, Panel, Rich, Table, Time, type Tone } from '../parts.tsx';
import { ask, may } from '../session.ts';

const TONES: Readonly<Record<string, Tone>> = { new: 'warn', notified: 'info', seen: 'info', fixed: 'good' };

export function Terminals() {
  const [asked, setAsked] = useState({ subscriber: '', state: 'all', over: false, reason: '' });
  const [cases, setCases] = useState<readonly CaseView[] | undefined>(undefined);
  const [marking, setMarking] = useState<CaseView | undefined>(undefined);
  const [to, setTo] = useState('notified');
  const { busy, error, act } = useAct();
  const look = async () => {
    const { subscriber, state, over, reason } = asked;
    const query = { reason: reason.trim(), subscriber: subscriber.trim(), over, ...(state !== 'all' && { state }) };
    setCases((await ask<CasesView>('GET /v1/terminals/cases', { query })).cases);
  };
  const states = { all: t.terminals.all, ...t.terminals.states };
  return (
    <>
      <Panel title={t.terminals.look} aside={t.terminals.audited}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setCases(undefined);
            act(look);
          }}
        >
          <div class="fields pair">
            <Field
              label={t.terminals.subscriber}
              value={asked.subscriber}
              mono
              most={64}
              onChange={(subscriber) => setAsked({ ...asked, subscriber })}
            />
            <Choice
              label={t.terminals.state}
              value={asked.state}
              of={states}
              onChange={(state) => setAsked({ ...asked, state })}
            />
          </div>
          <PurposeField value={asked.reason} onChange={(reason) => setAsked({ ...asked, reason })} />
          <label class="check">
            <input
              type="checkbox"
              checked={asked.over}
              onChange={({ currentTarget }) => setAsked({ ...asked, over: currentTarget.checked })}
            />
            {t.terminals.over}
          </label>
          {error !== undefined && <Fault error={error} />}
          <div class="actions">
            <button type="submit" class="primary" disabled={busy}>
              {t.forms.show}
            </button>
          </div>
        </form>
      </Panel>
      {cases && (
        <Panel title={t.views.terminals} aside={countText(cases.length)}>
          {cases.length === 0 ? (
            <Empty>{t.terminals.none}</Empty>
          ) : (
            <Table
              label={t.views.terminals}
              rows={cases}
              keyOf={({ code }) => code}
              columns={[
                { head: t.terminals.code, cell: ({ code }) => <code>{code}</code> },
                { head: t.consent.subscriber, cell: ({ subscriber }) => <code>{subscriber}</code> },
                { head: t.terminals.kind, cell: ({ kind }) => kind },
                { head: t.terminals.sources, cell: ({ sources }) => sources.join(', ') },
                {
                  head: t.terminals.state,
                  cell: ({ state, over }) => (
                    <span class="badges">
                      <Badge tone={TONES[state] ?? 'plain'}>{t.terminals.states[state] ?? state}</Badge>
                      {over && <Badge>{t.terminals.closed}</Badge>}
                    </span>
                  ),
                },
                { head: t.terminals.seen, cell: ({ lastSeen }) => <Time at={lastSeen} seconds={false} /> },
                { head: t.terminals.reports, number: true, cell: ({ reports }) => countText(reports) },
                { head: t.terminals.notices, number: true, cell: ({ notices }) => countText(notices) },
                {
                  head: t.rules.acts,
                  cell: (row) =>
                    may('POST /v1/terminals/cases/:code') && (
                      <button type="button" class="small" onClick={() => setMarking(row)}>
                        {t.terminals.mark}
                      </button>
                    ),
                },
              ]}
            />
          )}
        </Panel>
      )}
      <p class="hint">
        <Rich text={t.terminals.importText} />
      </p>
      <NotHere text={t.terminals.notHere} />
      {marking && (
        <Reasoned
          title={t.terminals.markTitle(marking.code)}
          submit={t.terminals.mark}
          onClose={() => setMarking(undefined)}
          onSubmit={async ({ reason }) => {
            await ask('POST /v1/terminals/cases/:code', { path: { code: marking.code }, body: { state: to, reason } });
            await look();
          }}
        >
          <Choice label={t.terminals.to} value={to} of={t.terminals.states} onChange={setTo} />
        </Reasoned>
      )}
    </>
  );
}
