/** `sekisho notice preview [PAGE]` and `copy FOLDER`: the pages as subscribers see them. No server is asked. */
import { cp, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { table } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { errorText } from '../../errors/errors.ts';
import { didYouMean } from '../../settings/did-you-mean.ts';
import { settingsError } from '../../settings/errors.ts';
import { problemText } from '../../settings/yaml-source.ts';
import type { NoticeSections } from '../open.ts';
import { commonView } from '../pages.ts';
import { samples } from '../sample-views.ts';
import { loadTemplates, shippedPages } from '../templates.ts';

export async function noticePreview(args: Args, terminal: Terminal): Promise<number> {
  const [name] = args.positionals;
  const all = samples();
  const names = all.map((sample) => sample.name);
  if (name === undefined) {
    if (args.json) terminal.out(`${JSON.stringify(names)}\n`);
    else
      terminal.out(
        table(
          ['PAGE', 'TEMPLATE'],
          all.map((sample) => [sample.name, `${sample.page}.html`]),
          terminal,
        ),
      );
    return 0;
  }
  const sample = all.find((each) => each.name === name);
  if (!sample) throw usageError(`there is no page '${name}'${hint(name, names)}; sekisho notice preview lists them`);

  const { notice: config } = (await args.configuration()) as NoticeSections;
  const asked = args.options['language'] ?? config.languages[0];
  const language = config.languages.find((each) => each === asked);
  if (!language) throw usageError(`--language is one of ${config.languages.join(', ')}, not '${asked}'`);
  const { templates, problems } = await loadTemplates(config.templatesFolder, [language]);
  if (!templates) throw settingsError('SEKISHO_CONFIG_INVALID', problems.map(problemText).join('\n'));
  const html = templates.render(sample.page, language, commonView(config, language), sample.view as never);
  terminal.out(args.json ? `${JSON.stringify({ page: name, language, html })}\n` : html);
  return 0;
}

export async function noticeCopy(args: Args, terminal: Terminal): Promise<number> {
  const [folder = ''] = args.positionals;
  const target = resolve(terminal.workFolder, folder);
  try {
    // Fails where the folder is there: what an operator has written is never overwritten.
    await mkdir(target);
    await cp(shippedPages(), target, { recursive: true });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'already exists' : errorText(error);
    throw usageError(`${target}: ${why}`, { cause: error });
  }
  if (args.json) terminal.out(`${JSON.stringify({ folder: target })}\n`);
  else terminal.out(`the texts are in ${target}: edit them, and name the folder as notice.templates\n`);
  return 0;
}

function hint(word: string, known: readonly string[]): string {
  const close = didYouMean(word, known);
  return close === undefined ? '' : `; did you mean '${close}'?`;
}
