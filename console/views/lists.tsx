/** Lists: what is in force, what the guard holds back and why; approved, rolled back. */
import { useState } from 'preact/hooks';
import type { HeldBack, ListStatus, ListsStatus } from '../../src/lists/routes.ts';
import { Dialog, Reasoned, useAct } from '../forms.tsx';
import { t } from '../language.ts';
import { bytesText, countText, spanText } from '../numbers.ts';
import { Badge, Empty, Fault, NotHere, Panel, Rich, Table, Time, useLoaded } from '../parts.tsx';
import { ask, may } from '../session.ts';
import { Pair } from './rules.tsx';

type Version = NonNullable<ListStatus['current']>;
/** Where the desk tries a new version on some subscribers first. */
interface Canary {
  readonly canary?: { readonly share?: number; readonly since?: string; readonly state?: string } | null;
}

export function Lists() {
  const { answer, error, again } = useLoaded(() => ask<ListsStatus>('GET /v1/lists'), 'lists', 10_000);
  if (error !== undefined && !answer) return <Fault error={error} />;
  if (!answer) return <Empty>{t.loading}</Empty>;
  const held = answer.lists.filter(({ heldBack }) => heldBack !== null);
  return (
    <>
      {error !== undefined && <Fault error={error} />}
      {held.length > 0 && (
        <div class="note warn" role="status">
          <strong>{t.lists.heldCount(held.length)}</strong> {held.map(({ name }) => name).join(', ')}
        </div>
      )}
      {answer.lists.length === 0 && (
        <Panel title={t.views.lists}>
          <Empty>
            <Rich text={t.lists.none} />
          </Empty>
        </Panel>
      )}
      <ul class="cards">
        {answer.lists.map((list) => (
          <li key={list.name} class="panel">
            <ListCard list={list} onChanged={again} />
          </li>
        ))}
      </ul>
      <NotHere text={t.lists.notHere} />
    </>
  );
}

function ListCard({ list, onChanged }: { list: ListStatus & Canary; onChanged: () => void }) {
  const [dialog, setDialog] = useState<'held' | 'rollback' | undefined>(undefined);
  const { busy, error, act } = useAct();
  const { name, current, previous, heldBack, canary } = list;
  return (
    <>
      <header>
        <h2>{name}</h2>
        <span class="badges">
          <Badge>{t.lists.categories[list.category] ?? list.category}</Badge>
          <Badge tone={list.tier === 'confirmed' ? 'plain' : 'info'}>{t.lists.tiers[list.tier] ?? list.tier}</Badge>
          {list.dryRun && <Badge tone="info">{t.lists.dryRun}</Badge>}
          <Badge tone={list.state === 'in force' ? 'good' : 'bad'}>
            {list.state === 'in force' ? t.lists.inForce : t.lists.noneInForce}
          </Badge>
          {list.expired && <Badge tone="warn">{t.lists.expired}</Badge>}
        </span>
      </header>
      <ul class="numbers">
        <li>
          <b>{countText(list.different)}</b> {t.lists.names}
        </li>
        <li>
          <b>{countText(list.dryRun ? list.dryRunHits : list.hits)}</b> {list.dryRun ? t.lists.wouldHit : t.lists.hits}
        </li>
        <li>
          <b>{countText(list.rejected)}</b> {t.lists.rejected}
        </li>
      </ul>
      <dl class="pairs">
        <Pair name={t.lists.source}>
          <code>{list.source}</code> ({list.format})
        </Pair>
        <Pair name={t.lists.version}>{current ? <VersionText version={current} /> : t.none}</Pair>
        <Pair name={t.lists.previous}>{previous ? <VersionText version={previous} /> : t.none}</Pair>
        <Pair name={t.lists.heard}>
          {list.confirmedAt === null ? '–' : <Time at={list.confirmedAt} seconds={false} />}
          {list.nextInSeconds !== null && ` · ${t.lists.next(spanText(list.nextInSeconds))}`}
        </Pair>
        <Pair name={t.lists.ground}>
          {list.ground === null ? t.lists.consent : (t.grounds.kinds[list.ground as 'necessity'] ?? list.ground)}
        </Pair>
        <Pair name={t.lists.canary}>
          {canary ? (
            `${canary.state ?? ''} ${canary.share === undefined ? '' : `${Math.round(canary.share * 100)} %`}`
          ) : list.dryRun ? (
            t.lists.canaryDry(countText(list.dryRunHits))
          ) : (
            <Rich text={t.lists.canaryNone} />
          )}
        </Pair>
      </dl>
      {list.failure !== null && (
        <p class="note warn">
          <b>{t.lists.failure}</b> <span lang="en">{list.failure}</span>
        </p>
      )}
      {list.warnings.map((warning) => (
        <p key={warning} class="note warn" lang="en">
          {warning}
        </p>
      ))}
      {heldBack && (
        <div class="note bad">
          <strong>{t.lists.held}</strong>
          <p>
            <VersionText version={heldBack} />
          </p>
          <ul lang="en">
            {list.findings.map((finding) => (
              <li key={finding}>{finding}</li>
            ))}
          </ul>
          {may('GET /v1/lists/:name/held') && (
            <button type="button" class="small" onClick={() => setDialog('held')}>
              {t.lists.look}
            </button>
          )}
        </div>
      )}
      {list.rejectedLines.length > 0 && (
        <details>
          <summary>{t.lists.rejectedLines}</summary>
          <Samples samples={list.rejectedLines} />
        </details>
      )}
      {error !== undefined && <Fault error={error} />}
      <div class="actions">
        {may('POST /v1/lists/:name/reload') && (
          <button
            type="button"
            class="small"
            disabled={busy}
            onClick={() =>
              act(() => ask('POST /v1/lists/:name/reload', { path: { name }, body: {} }).finally(onChanged))
            }
          >
            {busy ? t.lists.fetching : t.lists.fetch}
          </button>
        )}
        {may('POST /v1/lists/:name/rollback') && previous && (
          <button type="button" class="small" onClick={() => setDialog('rollback')}>
            {t.lists.rollback}
          </button>
        )}
      </div>
      {dialog === 'rollback' && (
        <Reasoned
          title={t.lists.rollbackTitle(name)}
          submit={t.lists.rollback}
          danger
          approver
          onClose={() => setDialog(undefined)}
          onSubmit={(stated) => ask('POST /v1/lists/:name/rollback', { path: { name }, body: stated }).then(onChanged)}
        >
          {previous && (
            <p>
              {t.lists.backTo} <VersionText version={previous} />
            </p>
          )}
        </Reasoned>
      )}
      {dialog === 'held' && <Held name={name} onClose={() => setDialog(undefined)} onApproved={onChanged} />}
    </>
  );
}

function VersionText({ version }: { version: Version }) {
  return (
    <span>
      <code title={version.sha256}>{version.sha256.slice(0, 10)}</code> · {countText(version.names)} {t.lists.rulesOf} ·{' '}
      {bytesText(version.bytes)} · <Time at={version.fetchedAt} seconds={false} />
      {version.override && ` · ${t.lists.approved(version.override.approver)}`}
    </span>
  );
}

/** What helps to decide, and the decision. */
function Held({ name, onClose, onApproved }: { name: string; onClose: () => void; onApproved: () => void }) {
  const { answer, error } = useLoaded(() => ask<HeldBack>('GET /v1/lists/:name/held', { path: { name } }), name);
  const [approving, setApproving] = useState<'all' | 'without' | undefined>(undefined);
  if (approving)
    return (
      <Reasoned
        title={t.lists.approveTitle(name)}
        text={approving === 'without' ? t.lists.approveWithoutText : t.lists.approveText}
        submit={t.lists.approve}
        danger={approving === 'all'}
        approver
        onClose={onClose}
        onSubmit={(stated) =>
          ask('POST /v1/lists/:name/override', {
            path: { name },
            body: { ...stated, ...(approving === 'without' && { withoutOffenders: true }) },
          }).then(onApproved)
        }
      />
    );
  return (
    <Dialog title={t.lists.heldTitle(name)} onClose={onClose}>
      {error !== undefined && <Fault error={error} />}
      {!answer && error === undefined && <Empty>{t.loading}</Empty>}
      {answer && (
        <>
          {answer.findings.map(({ reason, message, names }) => (
            <div key={reason} class="note bad">
              <p lang="en">{message}</p>
              {names.length > 0 && (
                <ul class="names">
                  {names.slice(0, 40).map((each) => (
                    <li key={each}>
                      <code>{each}</code>
                    </li>
                  ))}
                </ul>
              )}
              {names.length > 40 && <p>{t.lists.more(names.length - 40)}</p>}
            </div>
          ))}
          {answer.samples.length > 0 && (
            <>
              <h3>{t.lists.samples}</h3>
              <Samples samples={answer.samples} />
            </>
          )}
          {answer.advice.length > 0 && (
            <>
              <h3>{t.error.remedy}</h3>
              <ul class="plain" lang="en">
                {answer.advice.map((line) => (
                  <li key={line}>{line}</li>
                ))}
              </ul>
            </>
          )}
          {may('POST /v1/lists/:name/override') ? (
            <div class="actions">
              {answer.findings.some(({ names }) => names.length > 0) && (
                <button type="button" class="primary" onClick={() => setApproving('without')}>
                  {t.lists.approveWithout}
                </button>
              )}
              <button type="button" class="danger" onClick={() => setApproving('all')}>
                {t.lists.approve}
              </button>
            </div>
          ) : (
            <p class="hint">{t.lists.approveSecurity}</p>
          )}
        </>
      )}
    </Dialog>
  );
}

function Samples({ samples }: { samples: ListStatus['rejectedLines'] }) {
  return (
    <Table
      label={t.lists.samples}
      rows={samples}
      keyOf={({ line, column, reason }) => `${line}:${column}:${reason}`}
      columns={[
        { head: t.lists.line, number: true, cell: ({ line }) => countText(line) },
        { head: t.rules.why, cell: ({ reason }) => <span lang="en">{reason}</span> },
        { head: t.lists.excerpt, cell: ({ excerpt }) => <code>{excerpt}</code> },
      ]}
    />
  );
}
