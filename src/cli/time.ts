/** `sekisho time`: the server's time beside the system's clock; `accept` takes the clock as right. */

import type { SekishoError } from '../errors/errors.ts';
import type { TimeView } from '../timekeeping/routes.ts';
import { getJson, sendJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { cliError } from './errors.ts';
import { durationWords } from './layout.ts';
import type { Terminal } from './terminal.ts';

export async function time(args: Args, terminal: Terminal): Promise<number> {
  const [verb = 'show'] = args.positionals;
  const { reason } = args.options;
  if (verb !== 'show' && verb !== 'accept') throw usage(`time takes show and accept, not '${verb}'`);
  if (verb === 'show' && reason !== undefined) throw usage('--reason belongs to `sekisho time accept`');
  if (verb === 'accept' && reason === undefined) throw usage('--reason TEXT missing: how is the right time known?');
  const state =
    verb === 'show'
      ? await getJson<TimeView>('/v1/time', args.config, terminal)
      : await sendJson<TimeView>('POST', '/v1/time/accept', { reason }, args.config, terminal);
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

function usage(message: string): SekishoError {
  return cliError('SEKISHO_USAGE', message);
}
