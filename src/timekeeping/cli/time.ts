/** `sekisho time`: the server's time beside the system's clock; `accept` takes the clock as right. */

import type { Args } from '../../commands/command.ts';
import { durationWords } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import type { TimeView } from '../routes.ts';

export async function time(args: Args, terminal: Terminal): Promise<number> {
  const { verb } = args;
  const { reason } = args.options;
  const state =
    verb === 'show'
      ? await args.server.get<TimeView>('/v1/time')
      : await args.server.send<TimeView>('POST', '/v1/time/accept', { reason });
  terminal.out(args.json ? `${JSON.stringify(state, null, 2)}\n` : timeText(state));
  return 0;
}

export function timeText({ time, systemClock, behindSeconds, inDoubt }: TimeView): string {
  const lines = [`time          ${time}\n`, `system clock  ${systemClock}\n`];
  if (behindSeconds > 0)
    lines.push(`The system's clock is ${durationWords(behindSeconds)} behind what the data folder has seen.\n`);
  if (inDoubt) lines.push('The time is IN DOUBT: nothing that has a term acts until the clock has caught up.\n');
  if (behindSeconds > 0)
    lines.push('Set the clock right. If it is right, because it once ran ahead: sekisho time accept --reason TEXT\n');
  return lines.join('');
}
