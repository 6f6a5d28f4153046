/**
 * Console snippets of the documentation: which commands they show, what these are shown to print, and who runs them.
 *
 *     <!-- run: SETTING -->                    the block is run in that setting (test/meta/snippet-settings.ts)
 *     <!-- run by: test/….test.ts -->          a test of its own follows the page
 *     <!-- not run: REASON -->                 the block cannot be run
 *     <!-- not run: `dnsperf`: REASON -->      commands of the block that begin so cannot; the others are run
 */

export interface Step {
  readonly command: string;
  /** Lines that it is shown to print. */
  readonly shown: readonly string[];
  /** Why it is not run. */
  readonly notRun?: string;
}

export interface Snippet {
  /** Heading above it. */
  readonly section: string;
  readonly setting?: string;
  readonly runBy?: string;
  readonly steps: readonly Step[];
}

/** All ```console blocks of a page, with the comments that stand directly above each. */
export function snippetsOf(page: string): Snippet[] {
  return [...page.matchAll(/((?:^<!--.*-->\n)*)^```console\n([\s\S]*?)^```/gm)].map((found) => {
    const [, above = '', text = ''] = found;
    const headings = [...page.slice(0, found.index).matchAll(/^#+ (.*)$/gm)];
    const marks = [...above.matchAll(/^<!-- ([a-z ]+): (.*) -->$/gm)].map(([, kind, words = '']) => ({ kind, words }));
    const setting = marks.find(({ kind }) => kind === 'run')?.words;
    const runBy = marks.find(({ kind }) => kind === 'run by')?.words;
    const excused = marks
      .filter(({ kind }) => kind === 'not run')
      .map(({ words }) => /^(?:`([^`]+)`: )?(.+)$/.exec(words));
    return {
      section: headings.at(-1)?.[1] ?? '',
      ...(setting !== undefined && { setting }),
      ...(runBy !== undefined && { runBy }),
      steps: stepsOf(text).map((step) => {
        const why = excused.find((each) => each?.[1] === undefined || step.command.startsWith(each[1]))?.[2];
        return why === undefined ? step : { ...step, notRun: why };
      }),
    };
  });
}

export function stepsOf(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const lines = step.trimEnd().split('\n');
      const last = lines.findIndex((line) => !line.endsWith('\\'));
      return {
        command: lines.slice(0, last + 1).join('\n'),
        shown: lines.slice(last + 1).filter((line) => line !== ''),
      };
    });
}

/** Lines that are shown and not printed, or not in their order. `anyNumbers`: figures of the moment, such as counts. */
export function missingIn(printed: string, shown: readonly string[], anyNumbers = false): string[] {
  const lines = printed.split('\n');
  let at = 0;
  return shown.filter((line) => {
    const found = lines.findIndex((each, i) => i >= at && pattern(line, anyNumbers).test(each.trim()));
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

/** `…` stands for anything; what differs from run to run (ids, ports, TTLs, times) is left out of the comparison. */
function pattern(line: string, anyNumbers: boolean): RegExp {
  const parts = line
    .trim()
    .split('…')
    .map((part) =>
      (anyNumbers
        ? literal(part)
            .replace(/\b\d+s\b/g, 'DURATION')
            .replace(/\d+(?:(?:\\\.| )\d+)*/g, '\\d[\\d .]*')
            .replace(/\b(?:B|[KMG]iB)\b/g, '(?:B|[KMG]iB)')
            .replace(/\bns\b/g, '(?:ns|µs|ms)')
            .replaceAll('DURATION', '[\\dhms ]+')
        : literal(part)
            .replace(/--diagnosis d[0-9a-f]{8}/, '--diagnosis d[0-9a-f]{8}')
            .replace(/id: \d+/, 'id: \\d+')
            .replace(/@\d+\\\(TCP/, '@\\d+\\(TCP')
            .replace(/(SRV\s+\d+ \d+ )\d+/, '$1\\d+')
            .replace(/(\s)\d+(\s+IN\s)/, '$1\\d+$2')
            .replace(/\d+\\\.\d+ ms/, '[\\d.]+ ms')
            .replace(/\d{4}-\d\d-\d\d \d\d:\d\d/, '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d')
      ).replace(/\s+/g, '\\s+'),
    );
  return new RegExp(`^${parts.join('.*')}$`);
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
