/** Login with a token. */
import { useState } from 'preact/hooks';
import { Choices } from './choices.tsx';
import { t } from './language.ts';
import { Fault } from './parts.tsx';
import { login, type Session } from './session.ts';

export function Login({
  ended,
  onLogin,
  onChosen,
}: {
  ended: boolean;
  onLogin: (session: Session | null, version: string) => void;
  onChosen: () => void;
}) {
  const [token, setToken] = useState('');
  const [error, setError] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    login(token.trim()).then(
      ({ session, version }) => onLogin(session, version),
      (refused: unknown) => {
        setError(refused);
        setBusy(false);
      },
    );
  };
  document.title = `${t.login.title} – ${t.product}`;
  return (
    <div class="door">
      <main>
        <p class="brand">
          <Mark /> {t.product} <span>{t.console}</span>
        </p>
        <h1>{t.login.title}</h1>
        {ended && error === undefined && <p class="note warn">{t.login.ended}</p>}
        <form onSubmit={submit}>
          {/* Tells a password manager what the token belongs to. */}
          <input
            class="unseen"
            type="text"
            name="username"
            autocomplete="username"
            value="sekisho"
            tabIndex={-1}
            aria-hidden="true"
            readOnly
          />
          <label>
            {t.login.token}
            <input
              type="password"
              name="token"
              autocomplete="current-password"
              spellcheck={false}
              required
              maxLength={512}
              value={token}
              onInput={({ currentTarget }) => setToken(currentTarget.value)}
            />
          </label>
          <p class="hint">{t.login.hint}</p>
          <button type="submit" class="primary" disabled={busy}>
            {t.login.submit}
          </button>
        </form>
        {error !== undefined && <Fault error={error} />}
      </main>
      <footer>
        <Choices onChosen={onChosen} />
      </footer>
    </div>
  );
}

/** The gate of a checkpoint. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="6" />
      <path d="M6 9h20M8 13.5h16M10 9v16M22 9v16" />
    </svg>
  );
}
