/** Which view the address names. */
import { VIEW_NAMES, type View } from '../src/console/views.ts';

/** `#/lists` → `lists`, if this desk has it; else its first. */
export function viewOf(hash: string, views: readonly View[]): View {
  const named = VIEW_NAMES.find((view) => hash === `#/${view}`);
  return named !== undefined && views.includes(named) ? named : (views[0] ?? 'now');
}
