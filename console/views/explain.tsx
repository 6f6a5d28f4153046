/** Why this answer: what would happen to one query, step by step. */
import { useState } from 'preact/hooks';
import type { ExplainResult } from '../../src/admin/status.ts';
import { Field, PurposeField, useAct } from '../forms.tsx';
import { t } from '../language.ts';
import { Badge, Empty, Fault, NotHere, Panel, Table, type Tone } from '../parts.tsx';
import { ask } from '../session.ts';

export function Explain() {
  const [asked, setAsked] = useState({ name: '', type: 'A', client: '', reason: '' });
  const [result, setResult] = useState<ExplainResult | undefined>(undefined);
  const { busy, error, act } = useAct();
  const set = (key: keyof typeof asked) => (value: string) => setAsked({ ...asked, [key]: value });
  return (
    <>
      <Panel title={t.explain.ask} aside={t.explain.audited}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setResult(undefined);
            act(async () => {
              const query = Object.fromEntries(Object.entries(asked).map(([key, value]) => [key, value.trim()]));
              setResult(await ask<ExplainResult>('GET /v1/explain', { query }));
            });
          }}
        >
          <div class="fields four">
            <Field
              label={t.explain.name}
              value={asked.name}
              onChange={set('name')}
              required
              mono
              most={300}
              placeholder="www.example.com"
            />
            <label>
              {t.explain.type}
              <input
                type="text"
                list="types"
                value={asked.type}
                maxLength={16}
                required
                onInput={({ currentTarget }) => set('type')(currentTarget.value.toUpperCase())}
              />
              <datalist id="types">
                {['A', 'AAAA', 'HTTPS', 'MX', 'TXT', 'NS', 'PTR', 'ANY'].map((type) => (
                  <option key={type} value={type} />
                ))}
              </datalist>
            </label>
            <Field
              label={t.explain.client}
              value={asked.client}
              onChange={set('client')}
              required
              mono
              most={64}
              placeholder="192.0.2.7"
            />
          </div>
          <PurposeField value={asked.reason} onChange={set('reason')} />
          {error !== undefined && <Fault error={error} />}
          <div class="actions">
            <button type="submit" class="primary" disabled={busy}>
              {t.explain.submit}
            </button>
          </div>
        </form>
      </Panel>
      {result && <Result result={result} />}
      <NotHere text={t.explain.notHere} />
    </>
  );
}

const TONES: Readonly<Record<string, Tone>> = {
  continue: 'plain',
  answer: 'info',
  refuse: 'bad',
  drop: 'bad',
  fail: 'bad',
  truncate: 'warn',
};

function Result({ result }: { result: ExplainResult }) {
  const { steps, lists, reply, outcome, fate, decidedBy, view } = result;
  const deciding = steps.findIndex(({ who, verdict }) => who === decidedBy && verdict !== 'continue');
  return (
    <>
      <Panel
        title={t.explain.outcome}
        aside={
          <span class="badges">
            <Badge tone={fate === 'dropped' ? 'bad' : 'info'}>{t.explain.fates[fate] ?? fate}</Badge>
            {reply && <Badge tone={reply.rcode === 'NOERROR' ? 'good' : 'warn'}>{reply.rcode}</Badge>}
          </span>
        }
      >
        <p class="outcome" lang="en">
          {outcome}
        </p>
        <p class="hint">
          <code>
            {result.name} {result.type}
          </code>{' '}
          ← <code>{result.client}</code>
          {view !== null && ` · ${t.explain.view} ${view}`}
          {decidedBy !== null && ` · ${t.explain.decided} ${decidedBy}`}
          {reply?.ede != null && ` · EDE ${reply.ede}`}
        </p>
      </Panel>
      <Panel title={t.explain.steps}>
        <ol class="steps">
          {steps.map(({ place, who, verdict, reason }, i) => (
            // Steps have no name of their own, and their order is what they are.
            <li key={i} class={i === deciding ? 'decides' : ''}>
              <span class="place">{place}</span>
              <span class="who">{who}</span>
              <Badge tone={TONES[verdict] ?? 'plain'}>{verdict}</Badge>
              <span class="reason" lang="en">
                {reason}
              </span>
            </li>
          ))}
        </ol>
      </Panel>
      <Panel title={t.explain.lists}>
        {lists.length === 0 ? (
          <Empty>{t.explain.noList}</Empty>
        ) : (
          <Table
            label={t.explain.lists}
            rows={lists}
            keyOf={({ list, rule, trigger }) => `${list}${rule}${trigger}`}
            columns={[
              { head: t.explain.list, cell: ({ list, tier }) => `${list} (${t.lists.tiers[tier] ?? tier})` },
              { head: t.explain.rule, cell: ({ rule }) => <code>{rule}</code> },
              { head: t.lists.line, number: true, cell: ({ line }) => line ?? '–' },
              { head: t.rules.why, cell: ({ reason }) => <span lang="en">{reason}</span> },
            ]}
          />
        )}
      </Panel>
    </>
  );
}
