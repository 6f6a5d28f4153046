/** What people state: a reason, a ground, who approved it; and the dialog in which they do. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from './language.ts';
import { Fault } from './parts.tsx';

export function Dialog({
  title,
  children,
  onClose,
}: {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
}) {
  const place = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = place.current;
    const before = document.activeElement;
    if (element && !element.open) element.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={place} aria-label={title} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="small" onClick={onClose}>
          {t.close}
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** What is under way, and what came of it. */
export function useAct(): {
  readonly busy: boolean;
  readonly error: unknown;
  readonly act: (work: () => Promise<unknown>) => void;
} {
  const [state, setState] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: undefined });
  const act = (work: () => Promise<unknown>) => {
    if (state.busy) return;
    setState({ busy: true, error: undefined });
    work().then(
      () => setState({ busy: false, error: undefined }),
      (error: unknown) => setState({ busy: false, error }),
    );
  };
  return { ...state, act };
}

export function Field({
  label,
  value,
  onChange,
  hint,
  long = false,
  required = false,
  placeholder,
  most = 2000,
  mono = false,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  long?: boolean;
  required?: boolean;
  placeholder?: string;
  most?: number;
  mono?: boolean;
}) {
  const id = useId();
  const common = {
    id,
    value,
    required,
    maxLength: most,
    autocomplete: 'off',
    spellcheck: false,
    ...(placeholder !== undefined && { placeholder }),
    ...(mono && { class: 'mono' }),
    ...(hint !== undefined && { 'aria-describedby': `${id}-hint` }),
  } as const;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {long ? (
        <textarea {...common} rows={2} onInput={({ currentTarget }) => onChange(currentTarget.value)} />
      ) : (
        <input {...common} type="text" onInput={({ currentTarget }) => onChange(currentTarget.value)} />
      )}
      {hint !== undefined && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}

export function Choice<Of extends string>({
  label,
  value,
  of,
  onChange,
}: {
  label: string;
  value: Of;
  of: Readonly<Record<Of, string>>;
  onChange: (value: Of) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value as Of)}>
        {(Object.keys(of) as Of[]).map((each) => (
          <option key={each} value={each}>
            {of[each]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Asks for a reason, and perhaps for somebody who approves, before it acts. */
export function Reasoned({
  title,
  text,
  submit,
  danger = false,
  approver = false,
  children,
  onSubmit,
  onClose,
}: {
  title: string;
  text?: string;
  submit: string;
  danger?: boolean;
  approver?: boolean;
  children?: ComponentChildren;
  onSubmit: (stated: { reason: string; approver: string }) => Promise<unknown>;
  onClose: () => void;
}) {
  const [reason, setReason] = useState('');
  const [who, setWho] = useState('');
  const { busy, error, act } = useAct();
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          act(async () => {
            await onSubmit({ reason: reason.trim(), approver: who.trim() });
            onClose();
          });
        }}
      >
        {text !== undefined && <p>{text}</p>}
        {children}
        <Field
          label={t.forms.reason}
          hint={t.forms.reasonHint}
          value={reason}
          onChange={setReason}
          long
          required
          most={500}
        />
        {approver && (
          <Field
            label={t.forms.approver}
            hint={t.forms.approverHint}
            value={who}
            onChange={setWho}
            required
            most={200}
          />
        )}
        {error !== undefined && <Fault error={error} />}
        <div class="actions">
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
            {submit}
          </button>
          <button type="button" onClick={onClose}>
            {t.cancel}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export type GroundKind = 'self-defence' | 'necessity' | 'legitimate-business';
export type Ground = Readonly<Record<string, string>>;

/** The statements that each ground needs; the server says what is missing. */
const NEEDS: Readonly<Record<GroundKind, readonly (keyof typeof t.grounds.statements)[]>> = {
  'self-defence': ['effect', 'evidence'],
  necessity: ['effect', 'evidence', 'nothing-milder'],
  'legitimate-business': ['purpose', 'necessity', 'proportionality'],
};

/** `without`: statements that the server has already, such as what a diagnosis saw. */
export function GroundFields({
  ground,
  onChange,
  without = [],
  kinds = ['self-defence', 'necessity', 'legitimate-business'],
  fixed = false,
  measure = false,
}: {
  ground: Ground;
  onChange: (ground: Ground) => void;
  without?: readonly string[];
  kinds?: readonly GroundKind[];
  /** Its kind is not to be chosen: it is another term of a rule. */
  fixed?: boolean;
  /** A measure ends, on whatever ground. */
  measure?: boolean;
}) {
  const kind = (ground['kind'] ?? kinds[0]) as GroundKind;
  const set = (key: string, value: string) => onChange({ ...ground, [key]: value });
  const statements = NEEDS[kind].filter((each) => !without.includes(each));
  const end = kind === 'legitimate-business' && !measure ? 'review' : 'expires';
  const terms = end === 'review' ? ['30d', '90d', '180d'] : ['30m', '1h', '2h', '6h', '1d'];
  const value = ground[end] ?? (end === 'review' ? '90d' : '2h');
  return (
    <div class="fields">
      {!fixed && (
        <Choice
          label={t.grounds.kind}
          value={kind}
          of={Object.fromEntries(kinds.map((each) => [each, t.grounds.kinds[each]])) as Record<GroundKind, string>}
          onChange={(next) => onChange({ kind: next, approver: ground['approver'] ?? '' })}
        />
      )}
      {statements.map((each) => (
        <Field
          key={each}
          label={t.grounds.statements[each]}
          value={ground[each] ?? ''}
          onChange={(text) => set(each, text)}
          long
        />
      ))}
      <div class="fields pair">
        <Field
          label={t.forms.approver}
          hint={t.forms.approverHint}
          value={ground['approver'] ?? ''}
          onChange={(text) => set('approver', text)}
          most={200}
        />
        <label>
          {end === 'review' ? t.grounds.review : t.grounds.expires}
          <select value={value} onChange={({ currentTarget }) => set(end, currentTarget.value)}>
            {terms.map((term) => (
              <option key={term} value={term}>
                {t.grounds.terms[term] ?? term}
              </option>
            ))}
          </select>
        </label>
      </div>
    </div>
  );
}

/** As the API takes it: with the term that is shown, and nothing that is empty. */
export function statedGround(ground: Ground, { fixed = false, measure = false } = {}): Ground {
  const kind = ground['kind'] ?? 'self-defence';
  const end = kind === 'legitimate-business' && !measure ? 'review' : 'expires';
  const all = { [end]: end === 'review' ? '90d' : '2h', ...ground, kind };
  return Object.fromEntries(
    Object.entries(all).filter(([key, value]) => value.trim() !== '' && !(fixed && key === 'kind')),
  );
}

/** What a look at personal data is for. */
export function PurposeField({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  return (
    <Field label={t.forms.purpose} hint={t.forms.purposeHint} value={value} onChange={onChange} required most={500} />
  );
}

/** A read that needs a purpose: asks for it, once. */
export function PurposeForm({ text, onSubmit }: { text: string; onSubmit: (reason: string) => void }) {
  const [reason, setReason] = useState('');
  return (
    <form
      class="purpose"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit(reason.trim());
      }}
    >
      <p>{text}</p>
      <PurposeField value={reason} onChange={setReason} />
      <div class="actions">
        <button type="submit" class="primary">
          {t.forms.show}
        </button>
      </div>
    </form>
  );
}
