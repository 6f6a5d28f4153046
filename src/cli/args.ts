/** What every command is given. */
import type { OptionName } from './options.ts';
import type { Terminal } from './terminal.ts';

/** A command line, read. */
export interface Args {
  readonly positionals: readonly string[];
  /** `--config F` */
  readonly config: string | undefined;
  readonly json: boolean;
  /** Options of the command's own, by name without the dashes; only those that it declares. */
  readonly options: Readonly<Partial<Record<OptionName, string>>>;
  /** Those of the command's own options without a value that were given. */
  readonly flags: ReadonlySet<OptionName>;
}

/** Does the work; resolves to the exit code. Throws SekishoError. */
export type Action = (args: Args, terminal: Terminal) => Promise<number>;
