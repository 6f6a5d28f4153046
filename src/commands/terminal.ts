/**
 * Where a command writes to and what it knows of its surroundings. Passed in, so that tests see every byte.
 */
export interface Terminal {
  /** Results, one call a block of whole lines. */
  out(text: string): void;
  /** Errors and advice. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative file names start. */
  readonly workFolder: string;
  /** A person is looking: headings may be bold. */
  readonly isTerminal: boolean;
  /** How wide it is; unknown where nobody looks. */
  readonly columns?: number | undefined;
  /** A program reads (`--json`): the result or the error, and nothing on the way there. */
  readonly isForProgram?: boolean;
}

export function processTerminal(): Terminal {
  // `sekisho status | head -1`: that nobody reads on is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    workFolder: process.cwd(),
    // https://no-color.org: any value that is not empty.
    columns: process.stdout.columns,
    isTerminal: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  };
}

export function bold(text: string, { isTerminal }: Terminal): string {
  return isTerminal ? `\x1b[1m${text}\x1b[22m` : text;
}

/**
 * Text that somebody else wrote, so that it cannot steer the terminal: control characters, and those that turn the
 * direction of writing round, are shown as what they are.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) => {
    return `\\u{${char.charCodeAt(0).toString(16)}}`;
  });
}
