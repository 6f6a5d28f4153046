/** The console's page: who is logged in, the frame around the views, and which of them is shown. */
import 'uplot/dist/uPlot.min.css';
import './style/all.css';
import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { Frame } from './frame.tsx';
import { t } from './language.ts';
import { Login } from './login.tsx';
import { Fault } from './parts.tsx';
import { noteActivity, onEnded, readSession, type Session, takeSession } from './session.ts';

/** Again, while the server does not say who is logged in. */
const AGAIN_MS = 2500;

function Console() {
  const [state, setState] = useState<{
    session: Session | null | undefined;
    version: string;
    ended: boolean;
    error?: unknown;
  }>({
    session: undefined,
    version: '',
    ended: false,
  });
  // Whatever is chosen for the whole page (language, zone) draws it anew.
  const [, redraw] = useState(0);
  const enter = useCallback((session: Session | null, version: string) => {
    takeSession(session ?? undefined);
    setState({ session, version, ended: false });
  }, []);
  const leave = useCallback((ended: boolean) => {
    takeSession(undefined);
    setState((before) => ({ session: null, version: before.version, ended }));
  }, []);

  useEffect(() => {
    onEnded(() => leave(true));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () =>
      readSession().then(
        ({ session, version }) => enter(session, version),
        (error: unknown) => {
          setState((before) => ({ ...before, error }));
          timer = setTimeout(look, AGAIN_MS);
        },
      );
    void look();
    return () => clearTimeout(timer);
  }, []);

  const { session, version, ended, error } = state;
  if (session === undefined)
    return <main class="alone">{error === undefined ? <p>{t.loading}</p> : <Fault error={error} />}</main>;
  const again = () => redraw((count) => count + 1);
  if (session === null) return <Login ended={ended} onLogin={enter} onChosen={again} />;
  return <Frame session={session} version={version} onLeave={leave} onChosen={again} />;
}

noteActivity();
const place = document.getElementById('app');
if (place) render(<Console />, place);
