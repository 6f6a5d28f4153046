/** Rules in force: everything that acts for a while, on one line of time; previewed, renewed, lifted. */
import { useState } from 'preact/hooks';
import type { PreviewView } from '../../plugins/sinkhole/views.ts';
import type { TrustView } from '../../src/dnssec/routes.ts';
import type { DeskChangesView, DeskRulesView, DeskRuleView } from '../../src/rules/rule-view.ts';
import {
  Dialog,
  Field,
  type Ground,
  GroundFields,
  type GroundKind,
  PurposeForm,
  Reasoned,
  statedGround,
  useAct,
} from '../forms.tsx';
import { t } from '../language.ts';
import { countText, timeText } from '../numbers.ts';
import { Badge, Countdown, Empty, Fault, NotHere, Panel, Rich, Table, Time, type Tone, useLoaded } from '../parts.tsx';
import { ApiError, ask, may } from '../session.ts';

const EVERY_MS = 10_000;

export function Rules() {
  // What names an address is shown for a purpose, which is recorded each time: so it is not asked for again by itself.
  const [purpose, setPurpose] = useState<string | undefined>(undefined);
  const { answer, error, again } = useLoaded(
    () => ask<DeskRulesView>('GET /v1/rules', { query: { reason: purpose } }),
    `rules ${purpose ?? ''}`,
    purpose === undefined ? EVERY_MS : undefined,
  );
  const { answer: trust } = useLoaded(
    () => (may('GET /v1/dnssec') ? ask<TrustView>('GET /v1/dnssec') : Promise.resolve(undefined)),
    'trust',
    EVERY_MS * 6,
  );
  const [adding, setAdding] = useState(false);
  const [renewing, setRenewing] = useState<DeskRuleView | undefined>(undefined);
  const [lifting, setLifting] = useState<DeskRuleView | undefined>(undefined);
  const needsPurpose = error instanceof ApiError && error.code === 'SEKISHO_PURPOSE_MISSING';
  const rules = answer?.rules ?? [];
  const running = rules.filter(({ endedAt }) => endedAt === null);
  const ended = rules.filter(({ endedAt }) => endedAt !== null);
  return (
    <>
      {needsPurpose && (
        <Panel title={t.forms.purpose}>
          <PurposeForm text={t.rules.purposeText} onSubmit={setPurpose} />
        </Panel>
      )}
      {error !== undefined && !needsPurpose && <Fault error={error} />}
      {answer && answer.warnings.length > 0 && (
        <div class="note warn">
          <ul lang="en">
            {answer.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </div>
      )}
      {answer && (
        <Panel
          title={t.rules.timeline}
          aside={
            may('POST /v1/sinkhole/rules') && (
              <button type="button" class="primary small" onClick={() => setAdding(true)}>
                {t.rules.add}
              </button>
            )
          }
        >
          {running.length === 0 && !trust?.keys.length ? (
            <Empty>{t.rules.none}</Empty>
          ) : (
            <Timeline rules={running} trust={trust} />
          )}
        </Panel>
      )}
      {running.length > 0 && (
        <ul class="cards">
          {running.map((rule) => (
            <li key={`${rule.id}${rule.plugin}${rule.text}`} class="panel">
              <RuleCard rule={rule} onRenew={() => setRenewing(rule)} onLift={() => setLifting(rule)} />
            </li>
          ))}
        </ul>
      )}
      {trust && <Trust trust={trust} />}
      {ended.length > 0 && (
        <Panel title={t.rules.ended}>
          <Table
            label={t.rules.ended}
            rows={ended}
            keyOf={({ id }) => id}
            columns={[
              { head: t.rules.what, cell: ({ text }) => <code>{text}</code> },
              { head: t.rules.endedAt, cell: ({ endedAt }) => endedAt && <Time at={endedAt} /> },
              { head: t.rules.why, cell: ({ endedWhy }) => endedWhy },
            ]}
          />
        </Panel>
      )}
      {answer && <Changes purpose={purpose} />}
      <NotHere text={t.rules.notHere} />
      {adding && <AddRule onClose={() => setAdding(false)} onAdded={again} />}
      {renewing && <Renew rule={renewing} onClose={() => setRenewing(undefined)} onRenewed={again} />}
      {lifting && (
        <Reasoned
          title={t.rules.liftTitle(lifting.text)}
          text={t.rules.liftText}
          submit={t.rules.lift}
          onClose={() => setLifting(undefined)}
          onSubmit={({ reason }) =>
            ask('DELETE /v1/rules/:id', { path: { id: lifting.id }, body: { reason } }).then(again)
          }
        />
      )}
    </>
  );
}

export function stateTone(state: string): Tone {
  if (state === 'in-force') return 'warn';
  return state === 'dry-run' ? 'info' : state === 'suspended' ? 'bad' : 'plain';
}

function RuleCard({ rule, onRenew, onLift }: { rule: DeskRuleView; onRenew: () => void; onLift: () => void }) {
  const { ground } = rule;
  const kind = (ground['kind'] ?? '') as GroundKind;
  const until = rule.endsAt ?? rule.reviewAt;
  return (
    <>
      <header>
        <h2>
          <code>{rule.text}</code>
        </h2>
        <Badge tone={stateTone(rule.state)}>{t.rules.states[rule.state] ?? rule.state}</Badge>
      </header>
      <dl class="pairs">
        <Pair name={t.rules.ground}>
          {t.grounds.kinds[kind] ?? kind}{' '}
          <span class="hint" lang="ja">
            {rule.groundTerm}
          </span>
        </Pair>
        <Pair name={t.forms.approver}>{ground['approver'] ?? '–'}</Pair>
        <Pair name={t.rules.by}>
          {rule.addedBy} · <Time at={rule.addedAt} seconds={false} />
          {rule.renewals > 0 && ` · ${t.rules.renewals(rule.renewals)}`}
        </Pair>
        <Pair name={rule.endsAt === null ? t.rules.review : t.rules.left}>
          {until === null ? (
            '–'
          ) : (
            <>
              <Countdown until={until} /> · <Time at={until} seconds={false} />
            </>
          )}
        </Pair>
        <Pair name={t.rules.matched}>
          {rule.matched === null ? '–' : countText(rule.matched)}
          {rule.limited !== null && ` · ${t.rules.limited} ${countText(rule.limited)}`}
        </Pair>
        <Pair name={t.rules.plugin}>{rule.plugin}</Pair>
      </dl>
      {(['effect', 'evidence', 'nothing-milder', 'purpose', 'necessity', 'proportionality'] as const).some(
        (key) => ground[key],
      ) && (
        <details>
          <summary>{t.rules.stated}</summary>
          <dl class="pairs wide">
            {(['effect', 'evidence', 'nothing-milder', 'purpose', 'necessity', 'proportionality'] as const).map(
              (key) =>
                ground[key] && (
                  <Pair key={key} name={t.grounds.statements[key]}>
                    {ground[key]}
                  </Pair>
                ),
            )}
          </dl>
        </details>
      )}
      {rule.proposal !== null && (
        <p class="note good">
          <b>{t.rules.proposed}</b> <span lang="en">{rule.proposal}</span>
        </p>
      )}
      {rule.id !== '' && (
        <div class="actions">
          {may('POST /v1/rules/:id/renew') && (
            <button type="button" class="small" onClick={onRenew}>
              {t.rules.renew}
            </button>
          )}
          {may('DELETE /v1/rules/:id') && (
            <button type="button" class="small" onClick={onLift}>
              {t.rules.lift}
            </button>
          )}
        </div>
      )}
    </>
  );
}

export function Pair({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const HOUR = 3_600_000;
/** Longer ones run out of the picture: an hour and a quarter of a year do not fit on one scale. */
const MOST_BACK_MS = 24 * HOUR;
const MOST_AHEAD_MS = 48 * HOUR;

/** From when to when each acts, around now. */
function Timeline({ rules, trust }: { rules: readonly DeskRuleView[]; trust: TrustView | undefined }) {
  const now = Date.now();
  const begins = rules.map(({ addedAt }) => Date.parse(addedAt));
  const ends = rules.flatMap(({ endsAt }) => (endsAt === null ? [] : [Date.parse(endsAt)]));
  const from = Math.max(now - MOST_BACK_MS, Math.min(now - HOUR / 2, ...begins));
  const to = Math.min(now + MOST_AHEAD_MS, Math.max(now + HOUR, ...ends) + HOUR / 4);
  const place = (at: number) => Math.min(100, Math.max(0, ((at - from) / (to - from)) * 100));
  const rows = [
    ...rules.map((rule) => ({
      key: `${rule.id}${rule.plugin}${rule.text}`,
      name: rule.text,
      begin: Date.parse(rule.addedAt),
      end: rule.endsAt === null ? Number.POSITIVE_INFINITY : Date.parse(rule.endsAt),
      kind:
        rule.state === 'dry-run'
          ? 'dry-run'
          : rule.plugin === 'sinkhole'
            ? 'sinkhole'
            : rule.plugin.includes('dnssec')
              ? 'anchor'
              : 'measure',
      until: rule.endsAt ?? rule.reviewAt,
    })),
    ...(trust?.validating ? trust.keys : []).map(({ zone, key, state, since }) => ({
      key: `key ${zone} ${key}`,
      name: `${zone === '' ? '.' : zone} ${key} (${state})`,
      begin: Date.parse(since),
      end: Number.POSITIVE_INFINITY,
      kind: 'anchor',
      until: null,
    })),
  ];
  const step =
    [0.25, 0.5, 1, 2, 4, 6, 12, 24].map((hours) => hours * HOUR).find((ms) => (to - from) / ms <= 8) ?? 24 * HOUR;
  const marks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) marks.push(at);
  return (
    <div class="timeline">
      <div class="scale" aria-hidden="true">
        {marks.map((at) => (
          <span key={at} style={{ insetInlineStart: `${place(at)}%` }}>
            {timeText(at, { seconds: false, date: step >= 12 * HOUR }).slice(step >= 12 * HOUR ? 5 : 0)}
          </span>
        ))}
      </div>
      <ul aria-label={t.rules.timeline}>
        {rows.map(({ key, name, begin, end, kind, until }) => (
          <li key={key}>
            <span class="name" title={name}>
              <span class="unseen">{t.rules.kinds[kind]}: </span>
              {name}
            </span>
            <span class="lane">
              <span
                class={`run ${kind}${Number.isFinite(end) ? '' : ' endless'}`}
                style={{
                  insetInlineStart: `${place(begin)}%`,
                  insetInlineEnd: `${100 - place(Number.isFinite(end) ? end : to)}%`,
                }}
              />
              <span class="now" style={{ insetInlineStart: `${place(now)}%` }} aria-hidden="true" />
              {until !== null && <span class="unseen">{timeText(until)}</span>}
            </span>
          </li>
        ))}
      </ul>
      <p class="keys" aria-hidden="true">
        {(['sinkhole', 'measure', 'anchor', 'dry-run'] as const).map((kind) => (
          <span key={kind} class="key">
            <i class={`run ${kind}`} />
            {t.rules.kinds[kind]}
          </span>
        ))}
      </p>
    </div>
  );
}

function Trust({ trust }: { trust: TrustView }) {
  const problems = trust.problems;
  return (
    <Panel
      title={t.rules.trust}
      aside={
        trust.validating ? <Badge tone="good">{t.rules.validating}</Badge> : <Badge>{t.rules.notValidating}</Badge>
      }
    >
      {problems.length > 0 && (
        <div class="note bad">
          <ul lang="en">
            {problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </div>
      )}
      {trust.anchors.length > 0 && (
        <p>
          {t.rules.anchors}:{' '}
          {trust.anchors.map((anchor) => (
            <code key={anchor}>{anchor} </code>
          ))}
        </p>
      )}
      {trust.keys.length > 0 && (
        <Table
          label={t.rules.trust}
          rows={trust.keys}
          keyOf={({ zone, key }) => `${zone}${key}`}
          columns={[
            { head: t.rules.zone, cell: ({ zone }) => <code>{zone === '' ? '.' : zone}</code> },
            { head: t.rules.key, number: true, cell: ({ key }) => key },
            { head: t.now.state, cell: ({ state }) => <span lang="en">{state}</span> },
            { head: t.rules.since, cell: ({ since }) => <Time at={since} seconds={false} /> },
          ]}
        />
      )}
      {trust.insecure.length > 0 && (
        <p>
          {t.rules.insecure}:{' '}
          {trust.insecure.map((zone) => (
            <code key={zone}>{zone} </code>
          ))}
        </p>
      )}
      {!trust.validating && (
        <p class="hint">
          <Rich text={t.rules.notValidatingText} />
        </p>
      )}
    </Panel>
  );
}

function Changes({ purpose }: { purpose: string | undefined }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="panel" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h2>{t.rules.changes}</h2>
      </summary>
      {open && <ChangeLog purpose={purpose} />}
    </details>
  );
}

function ChangeLog({ purpose }: { purpose: string | undefined }) {
  const { answer, error } = useLoaded(
    () => ask<DeskChangesView>('GET /v1/rules/changes', { query: { limit: 50, reason: purpose } }),
    `changes ${purpose ?? ''}`,
  );
  if (error !== undefined) return <Fault error={error} />;
  if (!answer) return <Empty>{t.loading}</Empty>;
  if (answer.changes.length === 0) return <Empty>{t.rules.noChanges}</Empty>;
  return (
    <Table
      label={t.rules.changes}
      rows={answer.changes}
      keyOf={({ number }) => String(number)}
      columns={[
        { head: t.rules.at, cell: ({ at }) => <Time at={at} /> },
        { head: t.rules.by, cell: ({ who }) => who },
        { head: t.rules.did, cell: ({ action }) => t.rules.actions[action] ?? action },
        { head: t.rules.what, cell: ({ rule }) => <code>{rule.text}</code> },
        { head: t.rules.why, cell: ({ reason }) => reason },
      ]}
    />
  );
}

function Renew({ rule, onClose, onRenewed }: { rule: DeskRuleView; onClose: () => void; onRenewed: () => void }) {
  const measure = rule.origin === 'diagnosis';
  const kind = (rule.ground['kind'] ?? 'self-defence') as GroundKind;
  const [ground, setGround] = useState<Ground>({ kind });
  const { busy, error, act } = useAct();
  const emergency = kind !== 'legitimate-business';
  return (
    <Dialog title={t.rules.renewTitle(rule.text)} onClose={onClose}>
      <p>{emergency ? t.rules.renewText : t.rules.renewTextStanding}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          act(async () => {
            const stated = statedGround(ground, { fixed: true });
            await ask('POST /v1/rules/:id/renew', { path: { id: rule.id }, body: stated });
            onRenewed();
            onClose();
          });
        }}
      >
        <GroundFields
          ground={ground}
          onChange={setGround}
          without={emergency ? ['effect', 'nothing-milder'] : ['purpose', 'proportionality']}
          fixed
          measure={measure && emergency}
        />
        {error !== undefined && <Fault error={error} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={busy}>
            {t.rules.renew}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A name that an attack looks up is answered with the discard address: previewed first. */
function AddRule({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [name, setName] = useState('');
  const [subtree, setSubtree] = useState(false);
  const [ground, setGround] = useState<Ground>({ kind: 'self-defence' });
  const [preview, setPreview] = useState<PreviewView | undefined>(undefined);
  const { busy, error, act } = useAct();
  const body = (dryRun: boolean) => ({ name: name.trim(), subtree, 'dry-run': dryRun, ground: statedGround(ground) });
  const put = (dryRun: boolean) =>
    act(async () => {
      await ask('POST /v1/sinkhole/rules', { body: body(dryRun) });
      onAdded();
      onClose();
    });
  return (
    <Dialog title={t.rules.add} onClose={onClose}>
      <p>{t.rules.addText}</p>
      <Field
        label={t.rules.name}
        value={name}
        mono
        placeholder="www.victim.example"
        most={300}
        onChange={(text) => {
          setName(text);
          setPreview(undefined);
        }}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={subtree}
          onChange={({ currentTarget }) => {
            setSubtree(currentTarget.checked);
            setPreview(undefined);
          }}
        />
        {t.rules.subtree}
      </label>
      <GroundFields
        ground={ground}
        onChange={(next) => {
          setGround(next);
          setPreview(undefined);
        }}
      />
      {preview && <Previewed preview={preview} />}
      {error !== undefined && <Fault error={error} />}
      <div class="actions">
        <button
          type="button"
          disabled={busy || name.trim() === ''}
          onClick={() =>
            act(async () => setPreview(await ask<PreviewView>('POST /v1/sinkhole/preview', { body: body(false) })))
          }
        >
          {t.forms.check}
        </button>
        <button type="button" disabled={busy || name.trim() === ''} onClick={() => put(true)}>
          {t.forms.dryRun}
        </button>
        <button
          type="button"
          class="primary"
          disabled={busy || preview === undefined || preview.problems.length > 0}
          onClick={() => put(false)}
        >
          {t.forms.inForce}
        </button>
      </div>
      {preview === undefined && <p class="hint">{t.forms.checkFirst}</p>}
    </Dialog>
  );
}

function Previewed({ preview }: { preview: PreviewView }) {
  if (preview.problems.length > 0)
    return (
      <div class="note bad" role="alert">
        <strong>{t.forms.wouldRefuse}</strong>
        <ul lang="en">
          {preview.problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      </div>
    );
  return (
    <div class="note good" role="status">
      <strong>{t.forms.nothingAgainst}</strong>
      {preview.counted.length > 0 && (
        <ul>
          {preview.counted.map(({ name, ratePerSecond, baselinePerSecond, state }) => (
            <li key={`${name}${state}`}>
              <code>{name}</code> ({t.rules.states[state] ?? state}):{' '}
              {ratePerSecond === null ? '–' : ratePerSecond.toFixed(1)}
              {t.perSecond}, {t.now.normal} {baselinePerSecond === null ? '–' : baselinePerSecond.toFixed(1)}
              {t.perSecond}
            </li>
          ))}
        </ul>
      )}
      {preview.below.length > 0 && (
        <p>
          {t.rules.below}: {preview.below.join(', ')}
        </p>
      )}
      <p lang="en">{preview.note}</p>
    </div>
  );
}
