/** What a feature declares of the configuration file. Loaded when a configuration is read, never in packet threads. */
import type { z } from 'zod';
import type { Endpoint } from '../address/address.ts';
import type { Finding } from '../settings/finding.ts';
import type { Found } from '../settings/found.ts';
import { check } from '../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../settings/yaml-source.ts';

export interface Sections {
  /**
   * Keys at the top of the file with what may stand there: type, bounds, default and meaning (`.describe()`), from which also the table of
   * the documentation is made. One that may be left out says so (`.optional()`, `.prefault()`).
   */
  readonly schemas: { readonly [key: string]: z.ZodType };
  /** From the file to values, or to all that is wrong. Nothing starts here: `sekisho check` goes the same way. */
  load(raw: Readonly<Record<string, unknown>>, context: SectionsContext): LoadedSections | Promise<LoadedSections>;
}

export interface SectionsContext {
  readonly found: Found;
  /** Where things stand in the file. */
  readonly source: ConfigSource;
  /** Of the sections `server` and `admin`; undefined where those are wrong themselves. */
  readonly server: { readonly listen: readonly Endpoint[] } | undefined;
  readonly admin: { readonly listen: Endpoint } | undefined;
}

export interface LoadedSections {
  /** Keys of the `Config` with their values; left out where the section is wrong. */
  readonly values?: object | undefined;
  readonly problems: readonly ConfigProblem[];
  /** Allowed, and said in the log at every start. */
  readonly dangers?: readonly Finding[];
}

/** One section whose schema says all there is to check. `values`: the keys of the `Config` that it makes. */
export function oneSection<Schema extends z.ZodType>(
  key: string,
  schema: Schema,
  values: (section: z.infer<Schema>) => object,
): Sections {
  return {
    schemas: { [key]: schema },
    load: (raw, { source }) => {
      const { data, problems = [] } = check(schema, Object.hasOwn(raw, key) ? raw[key] : undefined, source, [key]);
      return { values: data && values(data), problems };
    },
  };
}
