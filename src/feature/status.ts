/** What a feature adds to `GET /v1/status` and to `sekisho status`. Loaded for the API and at the terminal, never in packet threads. */
import type { z } from 'zod';

export interface StatusPart {
  /** Keys of the answer with their schemas; `Opened.status` gives their values. */
  readonly schemas: { readonly [key: string]: z.ZodType };
  /** Lines for people, each with its label, out of an answer that may come from a server of another version. */
  lines(status: Readonly<Record<string, unknown>>): readonly (readonly [label: string, text: string])[];
}

/** `lines` is asked where the answer is as the schemas say. */
export function statusPart<Schemas extends { readonly [key: string]: z.ZodType }>(
  schemas: Schemas,
  lines: (status: { [Key in keyof Schemas]: z.infer<Schemas[Key]> }) => ReturnType<StatusPart['lines']>,
): StatusPart {
  return {
    schemas,
    lines: (status) => {
      const parsed = Object.entries(schemas).map(([key, schema]) => [key, schema.safeParse(status[key])] as const);
      if (parsed.some(([, { success }]) => !success)) return [];
      return lines(Object.fromEntries(parsed.map(([key, { data }]) => [key, data])) as never);
    },
  };
}
