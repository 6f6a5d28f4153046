/** Every view that there is, by its name. */
import type { FunctionComponent } from 'preact';
import type { View } from '../../src/console/views.ts';
import type { Live } from '../live.ts';
import type { Session } from '../session.ts';
import { Now } from './now.tsx';

export interface ViewProps {
  readonly live: Live;
  readonly session: Session;
}

export const SHOWN: Readonly<Partial<Record<View, FunctionComponent<ViewProps>>>> = {
  now: Now,
};
