/** What every command is given. */
import type { Terminal } from './terminal.ts';

/** A command line, read. */
export interface Args {
  readonly positionals: readonly string[];
  /** `--config F` */
  readonly config: string | undefined;
  readonly json: boolean;
  /** `--client IP` */
  readonly client: string | undefined;
  /** `--format F` */
  readonly format: string | undefined;
  /** `--rate N`, as written */
  readonly rate: string | undefined;
}

/** Does the work; resolves to the exit code. Throws SekishoError. */
export type Action = (args: Args, terminal: Terminal) => Promise<number>;
