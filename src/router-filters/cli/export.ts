/** `sekisho export ip53b --format F`: router filters from the configuration that the running server has in force. */
import type { Args } from '../../commands/command.ts';
import type { Terminal } from '../../commands/terminal.ts';

export async function exportFilter(args: Args, terminal: Terminal): Promise<number> {
  const { format = '' } = args.options;
  const path = `/v1/export/ip53b?${new URLSearchParams({ format })}`;
  const result = await args.server.get<{ format: string; text: string }>(path);
  terminal.out(args.json ? `${JSON.stringify(result, null, 2)}\n` : result.text);
  return 0;
}
