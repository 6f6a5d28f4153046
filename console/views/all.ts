/** Every view that there is, by its name. */
import type { FunctionComponent } from 'preact';
import type { View } from '../../src/console/views.ts';
import type { Live } from '../live.ts';
import type { Session } from '../session.ts';
import { Consent } from './consent.tsx';
import { Explain } from './explain.tsx';
import { Lists } from './lists.tsx';
import { Now } from './now.tsx';
import { Overload } from './overload.tsx';
import { Record } from './record.tsx';
import { Rules } from './rules.tsx';
import { Terminals } from './terminals.tsx';

export interface ViewProps {
  readonly live: Live;
  readonly session: Session;
}

export const SHOWN: { readonly [Shown in View]?: FunctionComponent<ViewProps> } = {
  now: Now,
  overload: Overload,
  rules: Rules,
  lists: Lists,
  explain: Explain,
  consent: Consent,
  terminals: Terminals,
  record: Record,
};
