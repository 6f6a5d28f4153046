/**
 * `sekisho completion SHELL`: a script that asks `sekisho complete -- WORDS` at each press of the key. Script and protocol are
 * @bomb.sh/tab's; what there is to complete comes from the declarations of the commands.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command as Completable, RootCommand } from '@bomb.sh/tab';
import type { Args, Command, OptionDeclaration, Options } from '../commands/command.ts';
import { GENERAL_OPTIONS } from '../commands/options.ts';
import type { Terminal } from '../commands/terminal.ts';

/** Values that are written so in the help are names of files. */
const FILES = new Set(['F', 'FILE', 'FOLDER']);

export async function completion({ verb: shell, json }: Args, terminal: Terminal): Promise<number> {
  // A shell that reads its start file again must not trip over what it knows already.
  const script = printed(() => new RootCommand().setup('sekisho', 'sekisho', shell)).replaceAll(/^readonly /gm, '');
  terminal.out(json ? `${JSON.stringify({ shell, script }, null, 2)}\n` : script);
  return 0;
}

/** Print what may stand in the place of the last of `words`, for the script. */
export function complete(words: readonly string[], commands: readonly Command[]): number {
  const last = words.at(-1) ?? '';
  const typed = last.startsWith('-') && last.includes('=') ? last.slice(last.indexOf('=') + 1) : last;
  const root = new RootCommand();
  for (const { name, summary, verbs } of commands) {
    const parent = root.command(name, summary);
    for (const [verb, declared] of Object.entries(verbs)) {
      const command = verb === '' ? parent : root.command(`${name} ${verb}`, declared.summary ?? '');
      const { json, config } = GENERAL_OPTIONS;
      addOptions(command, { ...declared.options, json, config: { ...config, value: 'FILE' } }, typed);
      for (const word of (declared.arguments ?? '').split(' ').filter(Boolean)) {
        const bare = word.replaceAll(/[[\]]/g, '');
        command.argument(bare, FILES.has(bare) ? (offer) => offerFiles(typed, offer) : undefined);
      }
    }
  }
  root.parse([...words]);
  return 0;
}

function addOptions(command: Completable, options: Options, typed: string): void {
  for (const [name, declared] of Object.entries(options)) {
    if (declared.value === undefined) command.option(name, declared.meaning);
    else command.option(name, declared.meaning, (offer) => offerValues(declared, typed, offer));
  }
}

type Offer = (value: string, description: string) => void;

function offerValues({ value, choices = [] }: OptionDeclaration, typed: string, offer: Offer): void {
  for (const choice of choices) offer(choice, '');
  if (value === 'FILE') offerFiles(typed, offer);
}

function offerFiles(typed: string, offer: Offer): void {
  const folder = typed === '' || typed.endsWith('/') ? typed : dirname(typed);
  const before = typed.includes('/') ? (typed.endsWith('/') ? typed : join(folder, '/')) : '';
  try {
    for (const entry of readdirSync(folder || '.', { withFileTypes: true }))
      offer(`${before}${entry.name}${entry.isDirectory() ? '/' : ''}`, '');
  } catch {
    // There is no such folder, so there is nothing to offer.
  }
}

/** What the library prints, as text: it knows no terminal but the process's own. */
function printed(work: () => void): string {
  const { log } = console;
  let text = '';
  console.log = (line: string) => {
    text += `${line}\n`;
  };
  try {
    work();
  } finally {
    console.log = log;
  }
  return text;
}
