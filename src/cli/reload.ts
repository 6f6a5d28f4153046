/** `sekisho reload`: the running server reads its configuration again. */
import type { ReloadResult } from '../admin/status.ts';
import type { Args } from '../commands/command.ts';
import type { Terminal } from '../commands/terminal.ts';
import { settingsError } from '../settings/errors.ts';

/** The problems are in the answer. */
const REFUSED = 422;

export async function reload(args: Args, terminal: Terminal): Promise<number> {
  const result = await args.server.send<ReloadResult>('POST', '/v1/reload', undefined, {
    doing: 'compiling lists and starting workers',
    alsoTaken: REFUSED,
  });
  if (args.json) terminal.out(`${JSON.stringify(result, null, 2)}\n`);
  if (!result.ok) {
    if (args.json) return 1;
    throw settingsError('SEKISHO_CONFIG_INVALID', 'reload refused; the current configuration stays in force', {
      details: [...result.problems],
    });
  }
  if (!args.json) terminal.out('The new configuration is in force.\n');
  return 0;
}
