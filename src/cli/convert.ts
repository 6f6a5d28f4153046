/** `sekisho convert`: another resolver's configuration in ours, and what it left out. */
import type { Args } from '../commands/command.ts';
import type { Terminal } from '../commands/terminal.ts';
import { type Converted, convert } from '../convert/convert.ts';
import { configurationOf, yamlOf } from '../convert/draft.ts';

export async function convertFile(
  { positionals: [file = ''], options, json }: Args,
  terminal: Terminal,
): Promise<number> {
  const { from, draft } = await convert(file, options['from'] as Converted | undefined);
  if (json) {
    const { notes, taken } = draft;
    terminal.out(`${JSON.stringify({ from, taken, notes, configuration: configurationOf(draft) }, null, 2)}\n`);
    return 0;
  }
  terminal.out(yamlOf(draft, `${file} (${from})`));
  const count = (kind: string) => draft.notes.filter((note) => note.kind === kind).length;
  terminal.err(
    `${from}: ${draft.taken} taken over, ${count('changed')} of these with another meaning; ${count('built-in')} need nothing; ${count('left-out')} left out\n`,
  );
  return 0;
}
