/** `sekisho share statistics|indicators|import`. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { printable, type Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { errorText } from '../../errors/errors.ts';
import { sharingError } from '../errors.ts';
import { type IndicatorsShare, indicatorsSchema, type StatisticsShare } from '../routes.ts';
import { bundleSchema, nameInPattern } from '../stix.ts';

export async function share(args: Args, terminal: Terminal): Promise<number> {
  const { verb, options } = args;
  if (verb === 'import') return importIndicators(args, terminal);
  const { reason = '', to = '', expires = '' } = options;
  if (reason.trim() === '') throw usageError('say why this leaves the house with --reason TEXT; it is recorded');
  const left = (rows: StatisticsShare['leftOut']) => {
    for (const { why, rows: count } of rows) terminal.err(`${counted(count, 'row')} left out: ${why}\n`);
  };
  if (verb === 'statistics') {
    const body = { reason, to, expires, from: options['from'], until: options['until'] };
    const answer = await args.server.send<StatisticsShare>('POST', '/v1/share/statistics', body);
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    if (!args.json) left(answer.leftOut);
    return 0;
  }
  const stix = (options['format'] ?? 'stix') === 'stix' && !args.json;
  const body = { reason, to, expires, stix, ...(options['list'] !== undefined && { list: options['list'] }) };
  const answer = await args.server.send<IndicatorsShare>('POST', '/v1/share/indicators', body);
  terminal.out(`${JSON.stringify(answer.bundle ?? answer, null, 2)}\n`);
  if (!args.json) left(answer.leftOut);
  return 0;
}

function importIndicators(args: Args, terminal: Terminal): number {
  const file = resolve(terminal.workFolder, args.positionals[0] ?? '');
  const output = resolve(terminal.workFolder, args.options['output'] ?? '');
  const whose = (args.options['from-operator'] ?? '').replaceAll(/[\r\n]/g, ' ');
  let text: string;
  let parsed: unknown;
  try {
    text = readFileSync(file, 'utf8');
    parsed = JSON.parse(text);
  } catch (error) {
    throw sharingError('SEKISHO_SHARE_UNREADABLE', `${file}: ${errorText(error)}`, { cause: error });
  }
  const { names, skipped } = namesOf(file, parsed);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const head = [
    `# indicators of ${whose}`,
    `# read from a file with SHA-256 ${sha256}`,
    `# on ${new Date().toISOString()}; tier: suspected`,
  ];
  writeFileSync(`${output}.new`, `${[...head, ...names].join('\n')}\n`, { mode: 0o600 });
  renameSync(`${output}.new`, output);
  if (args.json)
    terminal.out(`${JSON.stringify({ output, from: whose, sha256, names: names.length, skipped }, null, 2)}\n`);
  else
    terminal.out(
      `${output}: ${counted(names.length, 'name')} of ${printable(whose)}${skipped > 0 ? `; ${counted(skipped, 'indicator')} left out, which ${skipped === 1 ? 'is' : 'are'} about something else than a name, or revoked` : ''}\nTo use it, add below lists:\n  - { name: shared, category: c2, tier: suspected, format: domains, file: ${output} }\n`,
    );
  return 0;
}

function namesOf(file: string, parsed: unknown): { names: string[]; skipped: number } {
  const mark = (name: string, below: boolean) => (below ? `.${name}` : name);
  const own = indicatorsSchema.safeParse(parsed);
  if (own.success) return { names: own.data.indicators.map(({ name, below }) => mark(name, below)), skipped: 0 };
  const bundle = bundleSchema.safeParse(parsed);
  if (!bundle.success) {
    const [issue] = bundle.error.issues;
    throw sharingError(
      'SEKISHO_SHARE_UNREADABLE',
      `${file}: no STIX 2.1 bundle: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const names = new Set<string>();
  let skipped = 0;
  for (const object of bundle.data.objects) {
    if (object.type !== 'indicator') continue;
    const {
      pattern,
      pattern_type: type,
      revoked,
      valid_until: until,
    } = object as {
      pattern: string;
      pattern_type: string;
      revoked?: boolean;
      valid_until?: string;
    };
    const found = type === 'stix' ? nameInPattern(pattern) : undefined;
    const isOver = revoked === true || (until !== undefined && Date.parse(until) <= Date.now());
    if (found && !isOver) names.add(mark(found.name, found.below));
    else skipped++;
  }
  return { names: [...names].sort(), skipped };
}
