/** The frame around the views: the way between them, the state of the link, who is logged in. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { View } from '../src/console/views.ts';
import { Choices, Zone } from './choices.tsx';
import { t } from './language.ts';
import { type Live, useLive } from './live.ts';
import { Mark } from './login.tsx';
import { timeText } from './numbers.ts';
import { viewOf } from './route.ts';
import { logout, type Session } from './session.ts';
import { SHOWN } from './views/all.ts';

export function Frame({
  session,
  version,
  onLeave,
  onChosen,
}: {
  session: Session;
  version: string;
  onLeave: (ended: boolean) => void;
  onChosen: () => void;
}) {
  const views = session.views.filter((view) => SHOWN[view] !== undefined);
  const [view, setView] = useState<View>(viewOf(location.hash, views));
  const [menu, setMenu] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const live = useLive(useCallback(() => onLeave(true), []));

  useEffect(() => {
    const moved = () => {
      setView(viewOf(location.hash, views));
      setMenu(false);
      // Whoever moves by the keyboard, or hears the page, begins at its top.
      heading.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, [session]);
  document.title = `${t.views[view]} – ${t.product}`;

  const Shown = SHOWN[view];
  const roles = session.roles.length > 4 ? t.allRoles : session.roles.map((role) => t.roles[role] ?? role).join(', ');
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        {t.skip}
      </button>
      <header class="side">
        <div class="brand">
          <Mark />
          <span>{t.brand}</span>
          <LinkState live={live} />
          <button type="button" class="menu" aria-expanded={menu} aria-controls="views" onClick={() => setMenu(!menu)}>
            {t.menu}
          </button>
        </div>
        <nav id="views" class={menu ? 'open' : ''} aria-label={t.console}>
          <ul>
            {views.map((each) => (
              <li key={each}>
                <a href={`#/${each}`} aria-current={each === view ? 'page' : undefined}>
                  {t.views[each]}
                </a>
              </li>
            ))}
          </ul>
          <div class="account">
            <p>
              <b>{session.name}</b>
              <span>{roles}</span>
            </p>
            <button type="button" class="quiet" onClick={() => void logout().finally(() => onLeave(false))}>
              {t.logout}
            </button>
            <Choices onChosen={onChosen} />
            <p class="version">Sekisho {version}</p>
          </div>
        </nav>
      </header>
      <main id="content">
        <div class="head">
          <div>
            <h1 ref={heading} tabIndex={-1}>
              {t.views[view]}
            </h1>
            <p>{t.about[view]}</p>
          </div>
          <Zone onChosen={onChosen} />
        </div>
        {live.link === 'lost' && (
          <div class="note bad" role="alert">
            <strong>{t.link.lost}</strong>
            <p>
              {t.link.lostText}
              {live.figures && ` ${t.link.lostSince(timeText(live.figures.at))}`}
            </p>
          </div>
        )}
        {Shown && <Shown key={view} live={live} session={session} />}
      </main>
    </div>
  );
}

function LinkState({ live: { link } }: { live: Live }) {
  const tone = link === 'open' ? 'good' : link === 'lost' ? 'bad' : 'plain';
  return (
    <span class={`link-state ${tone}`} role="status">
      <i aria-hidden="true" />
      {t.link[link]}
    </span>
  );
}
