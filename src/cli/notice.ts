/** `sekisho notice preview [PAGE]` and `copy FOLDER`: the pages as subscribers see them. No server is asked. */
import { cp, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { errorText, type SekishoError } from '../errors/errors.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { commonView } from '../notice/pages.ts';
import { samples } from '../notice/sample-views.ts';
import { loadTemplates, shippedPages } from '../notice/templates.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import { settingsError } from '../settings/errors.ts';
import { problemText } from '../settings/yaml-source.ts';
import type { Args } from './args.ts';
import { cliError } from './errors.ts';
import { table } from './layout.ts';
import type { Terminal } from './terminal.ts';

const VERBS = ['preview', 'copy'];

export async function notice(args: Args, terminal: Terminal): Promise<number> {
  const [verb = '', subject] = args.positionals;
  if (verb === 'preview') return preview(subject, args, terminal);
  if (verb === 'copy') return copy(subject, args, terminal);
  throw usage(`sekisho notice takes ${VERBS.join(' and ')}, not '${verb}'${hint(verb, VERBS)}`);
}

async function preview(name: string | undefined, args: Args, terminal: Terminal): Promise<number> {
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
  if (!sample) throw usage(`there is no page '${name}'${hint(name, names)}; sekisho notice preview lists them`);

  const loaded = await loadConfig({ path: args.config, resolvePlugin, workFolder: terminal.workFolder });
  if (!loaded.ok) {
    const details = loaded.problems.map(problemText);
    throw settingsError('SEKISHO_CONFIG_INVALID', `${loaded.source}: ${details.length} problem(s)`, { details });
  }
  const config = loaded.config.notice;
  const asked = args.options.language ?? config.languages[0];
  const language = config.languages.find((each) => each === asked);
  if (!language) throw usage(`--language is one of ${config.languages.join(', ')}, not '${asked}'`);
  const { templates, problems } = await loadTemplates(config.templatesFolder, [language]);
  if (!templates) throw settingsError('SEKISHO_CONFIG_INVALID', problems.map(problemText).join('\n'));
  const html = templates.render(sample.page, language, commonView(config, language), sample.view as never);
  terminal.out(args.json ? `${JSON.stringify({ page: name, language, html })}\n` : html);
  return 0;
}

async function copy(folder: string | undefined, args: Args, terminal: Terminal): Promise<number> {
  if (folder === undefined) throw usage('where to? sekisho notice copy FOLDER');
  const target = resolve(terminal.workFolder, folder);
  try {
    // Fails where the folder is there: what an operator has written is never overwritten.
    await mkdir(target);
    await cp(shippedPages(), target, { recursive: true });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'is there already' : errorText(error);
    throw cliError('SEKISHO_USAGE', `${target}: ${why}`, { cause: error });
  }
  if (args.json) terminal.out(`${JSON.stringify({ folder: target })}\n`);
  else terminal.out(`the texts are in ${target}: edit them, and name the folder as notice.templates\n`);
  return 0;
}

function hint(word: string, known: readonly string[]): string {
  const close = didYouMean(word, known);
  return close === undefined ? '' : `; did you mean '${close}'?`;
}

function usage(message: string): SekishoError {
  return cliError('SEKISHO_USAGE', message);
}
