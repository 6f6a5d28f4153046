/** `sekisho export ip53b --format F`: router filters from the configuration that the running server has in force. */
import { IP53B_FORMATS, type Ip53bFormat } from '../router-filters/ip53b.ts';
import { getJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { cliError } from './errors.ts';
import type { Terminal } from './terminal.ts';

export async function exportFilter(args: Args, terminal: Terminal): Promise<number> {
  const [what = ''] = args.positionals;
  if (what !== 'ip53b') throw cliError('SEKISHO_USAGE', `'${what}' cannot be exported; 'ip53b' can`);
  if (!IP53B_FORMATS.includes(args.options.format as Ip53bFormat)) {
    const given = args.options.format === undefined ? '' : `, not '${args.options.format}'`;
    throw cliError('SEKISHO_USAGE', `export ip53b needs --format ${IP53B_FORMATS.join('|')}${given}`);
  }
  const path = `/v1/export/ip53b?${new URLSearchParams({ format: args.options.format ?? '' })}`;
  const result = await getJson<{ format: string; text: string }>(path, args.config, terminal);
  terminal.out(args.json ? `${JSON.stringify(result, null, 2)}\n` : result.text);
  return 0;
}
