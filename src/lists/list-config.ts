/** One list as configured, every value checked and every path absolute. Plain data. Made by config/lists-section.ts. */
import type { Columns } from './formats/columns-schema.ts';
import type { ListFormat } from './formats/parser.ts';
import type { GuardOptions } from './guard/options.ts';
import type { ListFacts } from './in-force.ts';

export type ListSourceConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'http'; readonly url: string }
  | {
      readonly kind: 'transfer';
      readonly host: string;
      readonly port: number;
      readonly zone: string;
      /** Name of the TSIG key in `transfer.keys-file`. */
      readonly key?: string;
    };

export interface ListConfig extends ListFacts {
  readonly format: ListFormat;
  readonly source: ListSourceConfig;
  readonly refreshMs: number;
  readonly maxBytes: number;
  readonly match: 'exact' | 'subtree';
  readonly columns: Columns;
  /** rpz: name of the policy zone, where the file does not say it. */
  readonly zone?: string;
  readonly singleLabels: boolean;
  readonly guard: GuardOptions;
}

/** What the desk needs of the whole configuration. */
export interface ListsConfig {
  /** In the order of the configuration; list `i` is bit `i` of every mask. */
  readonly lists: readonly ListConfig[];
  readonly transfer: TransferConfig;
}

/** What the configuration says of lists: the sections `lists`, `transfer` and `popular-names`. */
export interface ListSections extends ListsConfig {
  /** Absolute path of the names that no list update may take. */
  readonly popularNamesFile: string;
}

/** How zones of lists are transferred, all lists together. */
export interface TransferConfig {
  /** Where NOTIFY is taken; absent = nowhere. */
  readonly notify?: { readonly address: string; readonly port: number };
  /** Absolute path of the file with TSIG keys. */
  readonly keysFile?: string;
}

/** The part that the packet threads see. */
export function listFacts({ name, category, tier, dryRun, override, ground }: ListConfig): ListFacts {
  return { name, category, tier, dryRun, override, ...(ground && { ground }) };
}
