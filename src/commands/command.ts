/**
 * What a command of the command line is: an object that says how it is used and what it leaves in the audit log, and brings its
 * code in only when it is used. The argument parser, the help texts and the completion of the shell are all fed from it.
 *
 *     export const cacheCommand: Command = {
 *       name: 'cache',
 *       summary: 'forget what the cache holds of a name; the cache in numbers',
 *       help: '…', examples: [['sekisho cache stats', 'is it large enough?']],
 *       verbs: {
 *         flush: { summary: '…', arguments: 'NAME', options: { ...pick('subtree'), type: { value: 'T', meaning: '…' } }, trace: ['cache.flush'], load: … },
 *         stats: { summary: '…', trace: { none: '…' }, load: … },
 *       },
 *     };
 */
import type { AdminApi } from './admin-api.ts';
import type { Terminal } from './terminal.ts';

export interface Command {
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What there is to know, in a few short paragraphs, at most 100 columns wide. */
  readonly help: string;
  /** Command lines, each with what it is for. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** What it can do, by the word that comes first. The one called '' is the command without such a word. */
  readonly verbs: { readonly [verb: string]: Verb };
  /** The verb where none is given. */
  readonly defaultVerb?: string;
}

export interface Verb {
  /** One line for the help of the command; one without verbs has its own. */
  readonly summary?: string;
  /** Words that follow, in capitals; those in brackets may be left out: `NAME [TYPE]`. */
  readonly arguments?: string;
  /** Options besides those of every command, by name without the dashes. */
  readonly options?: Options;
  /** Actions of the entries that it leaves in the audit log of the server, or why it leaves none. */
  readonly trace: Trace;
  readonly load: () => Promise<Action>;
}

export type Trace = readonly string[] | { readonly none: string };

export type Options = { readonly [name: string]: OptionDeclaration };

export interface OptionDeclaration {
  readonly meaning: string;
  /** How its value is written in the help: `--client IP`. A switch without a value has none. */
  readonly value?: string;
  /** Every value that it takes. */
  readonly choices?: readonly string[];
  /** A whole number in these bounds. */
  readonly integer?: readonly [least: number, most: number];
  /** The command does not work without it. */
  readonly required?: boolean;
}

/** A command line, read and checked against the declaration. */
export interface Args {
  /** Key of `Command.verbs`. */
  readonly verb: string;
  /** The words after the verb: as many as `Verb.arguments` has without brackets, at most as many as it has. */
  readonly positionals: readonly string[];
  /** `--config F` */
  readonly config: string | undefined;
  readonly json: boolean;
  /** Options with a value, by name without the dashes; only those that the verb declares. */
  readonly options: { readonly [name: string]: string | undefined };
  /** Switches that were given. */
  readonly flags: ReadonlySet<string>;
  /** The admin API of the running server that the configuration names. */
  readonly server: AdminApi;
  /** The configuration that `run` would take, checked: for commands that ask no server. Rejects with SekishoError, every problem in it. */
  configuration(): Promise<unknown>;
  /** URL of the module with the features of this program, where they are not those that come along. */
  readonly featureList?: string | undefined;
  /** Memory of a clock that a test turns, where the program brings one. */
  readonly turnedClock?: SharedArrayBuffer | undefined;
}

/** Does the work; resolves to the exit code. Throws SekishoError. */
export type Action = (args: Args, terminal: Terminal) => Promise<number>;

/** Brings one command's declaration in. */
export type CommandLoader = () => Promise<Command>;
