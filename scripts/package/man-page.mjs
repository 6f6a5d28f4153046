// sekisho(8), made from the definitions of the commands: what `--help` says is what the page says.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const compiled = fileURLToPath(new URL('../../dist/src/', import.meta.url));
const load = (path) => import(pathToFileURL(join(compiled, path)).href);

/** The page as troff. */
export async function manPage(version, date) {
  const { allCommands } = await load('cli/commands.js');
  const { GENERAL_OPTIONS } = await load('commands/options.js');
  const commands = await allCommands();
  const day = date.toISOString().slice(0, 10);
  return `${[
    '.\\" Made from the definitions of the commands.',
    `.TH SEKISHO 8 "${day}" "Sekisho ${version}" "System Administration"`,
    '.SH NAME',
    'sekisho \\- DNS checkpoint that acts only on a legal ground',
    '.SH SYNOPSIS',
    '.B sekisho',
    '.I COMMAND',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(
      'Sekisho answers DNS queries of subscribers, in front of other resolvers or by itself. It shapes attacks, and it inspects what a subscriber asks only where that subscriber has consented or there is another legal ground. All commands but run and check talk to the running server over its admin API, with the token of SEKISHO_TOKEN or the one in the data folder.',
    ),
    '.SH OPTIONS OF EVERY COMMAND',
    ...optionLines(GENERAL_OPTIONS),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH FILES',
    ...item(
      '/etc/sekisho/sekisho.yaml',
      'The configuration, unless \\-\\-config names another or there is a sekisho.yaml in the working folder.',
    ),
    ...item('/etc/sekisho/tokens.yaml', 'Digests of the tokens of staff.'),
    ...item('/var/lib/sekisho', 'Everything that is kept; for the user of the service alone.'),
    ...item(
      '/var/lib/sekisho\\-staff',
      'A token for each group of staff: sekisho\\-viewer, sekisho\\-operator, sekisho\\-security, sekisho\\-privacy.',
    ),
    '.SH EXIT STATUS',
    text('0: it worked. 1: it did not. 2: the command line was wrong.'),
    '.SH SEE ALSO',
    '/usr/share/doc/sekisho',
  ].join('\n')}\n`;
}

function commandLines({ name, summary, help, verbs, examples }) {
  const lines = [`.SS ${roff(name)}`, text(`${summary}.`.replace(/\.\.$/, '.')), ...paragraphs(help)];
  for (const [verb, { summary: what, arguments: words = '', options = {} }] of Object.entries(verbs)) {
    const required = Object.entries(options).flatMap(([option, { value, required: must }]) =>
      must ? [`--${option} ${value}`] : [],
    );
    lines.push('.PP', `.B ${roff(['sekisho', name, verb, words, ...required].filter(Boolean).join(' '))}`);
    if (what) lines.push('.br', text(what));
    lines.push('.RS', ...optionLines(options), '.RE');
  }
  if (examples.length > 0) {
    lines.push('.PP', 'Examples:', '.RS', '.nf');
    for (const [line, purpose] of examples) lines.push(`# ${roff(purpose)}`, roff(line));
    lines.push('.fi', '.RE');
  }
  return lines;
}

function optionLines(options) {
  return Object.entries(options).flatMap(([name, { value, meaning, choices }]) =>
    item(
      `\\-\\-${roff(name)}${value ? ` \\fI${roff(value)}\\fR` : ''}`,
      `${roff(meaning)}${choices ? ` (${choices.map(roff).join(', ')})` : ''}`,
    ),
  );
}

function item(term, meaning) {
  return ['.TP', `.B ${term}`, guarded(meaning)];
}

function paragraphs(help) {
  return help.split(/\n\s*\n/).flatMap((paragraph) => {
    const shown = /^ {2}/m.test(paragraph);
    const lines = paragraph.split('\n').map((line) => guarded(roff(line)));
    return shown ? ['.PP', '.nf', ...lines, '.fi'] : ['.PP', ...lines];
  });
}

function text(words) {
  return guarded(roff(words));
}

/** Hyphens of options stay hyphens when somebody copies them; what is not ASCII is named, for any locale. */
function roff(words) {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/[^\p{ASCII}]/gu, (sign) => `\\[u${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}

/** A line that begins with a dot or a quote would be taken for a request. */
function guarded(line) {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
