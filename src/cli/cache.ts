/** `sekisho cache flush NAME | stats`. */

import type { CacheStatsReport, Flushed } from '../admin/cache.ts';
import type { Args } from '../commands/command.ts';
import { numberText, table } from '../commands/layout.ts';
import type { Terminal } from '../commands/terminal.ts';
import { counted } from '../errors/counted.ts';

export async function cacheFlush(args: Args, terminal: Terminal): Promise<number> {
  const [name] = args.positionals;
  const { type } = args.options;
  const subtree = args.flags.has('subtree');
  const order = { name, subtree, ...(type !== undefined && { type }) };
  const flushed = await args.server.send<Flushed>('POST', '/v1/cache/flush', order);
  if (args.json) terminal.out(`${JSON.stringify(flushed, null, 2)}\n`);
  else
    terminal.out(
      `${counted(flushed.removed, 'answer')} removed for ${flushed.name}${flushed.subtree ? ' and all below it' : ''}${flushed.type === null ? '' : `, type ${flushed.type}`}\n`,
    );
  return 0;
}

export async function cacheStats(args: Args, terminal: Terminal): Promise<number> {
  const found = await args.server.get<CacheStatsReport>('/v1/cache/stats');
  if (args.json) {
    terminal.out(`${JSON.stringify(found, null, 2)}\n`);
    return 0;
  }
  const served = found.hits + found.misses + found.stale + found.failures;
  const share = (part: number) => (served === 0 ? '-' : `${((100 * part) / served).toFixed(1)} %`);
  const rows: [string, number, string][] = [
    ['answers held', found.entries, ''],
    ['bytes used', found.usedBytes, `of ${numberText(found.sizeBytes)}`],
    ['hits', found.hits, share(found.hits)],
    ['misses', found.misses, share(found.misses)],
    ['served stale', found.stale, share(found.stale)],
    ['remembered failures', found.failures, share(found.failures)],
    ['stored', found.inserts, ''],
    ['gave way to others', found.evictions, ''],
    ['stored again soon after', found.readmitted, ''],
    ['not stored: locked', found.skipped, ''],
  ];
  terminal.out(table(['CACHE', 'COUNT', ''], rows, terminal));
  return 0;
}
