/**
 * Indicators as STIX 2.1 (OASIS Standard, 10 June 2021). The schemas are written from the specification's tables: common properties §3.2,
 * identifiers §2.9, timestamps §3.2 and §2.17, identity §4.5, indicator §4.7 with its vocabularies §10.6 and §10.10, bundle §8.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
/** §2.9: the type, two dashes, an UUID (RFC 4122). */
const id = (type: string) => z.string().regex(new RegExp(`^${type}--${UUID}$`));
/** §2.17: RFC 3339, in UTC with a `Z`; common timestamps have milliseconds. */
const timestamp = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/)
  .refine((text) => Number.isFinite(Date.parse(text)), 'is no time');
/** §10.6, indicator-type-ov: an open vocabulary. */
const INDICATOR_TYPES = [
  'malicious-activity',
  'anomalous-activity',
  'benign',
  'compromised',
  'attribution',
  'unknown',
] as const;
/** §10.26, pattern-type-ov. */
const PATTERN_TYPES = ['stix', 'pcre', 'sigma', 'snort', 'suricata', 'yara'] as const;

const common = {
  spec_version: z.literal('2.1'),
  created: timestamp,
  modified: timestamp,
  created_by_ref: id('identity').optional(),
  revoked: z.boolean().optional(),
  labels: z.array(z.string()).min(1).optional(),
  confidence: z.int().min(0).max(100).optional(),
  lang: z.string().optional(),
  external_references: z
    .array(z.looseObject({ source_name: z.string() }))
    .min(1)
    .optional(),
  object_marking_refs: z.array(id('marking-definition')).min(1).optional(),
};

export const identitySchema = z.looseObject({
  type: z.literal('identity'),
  id: id('identity'),
  ...common,
  name: z.string().min(1),
  identity_class: z.string().optional(),
});

export const indicatorSchema = z
  .looseObject({
    type: z.literal('indicator'),
    id: id('indicator'),
    ...common,
    name: z.string().optional(),
    description: z.string().optional(),
    indicator_types: z.array(z.enum(INDICATOR_TYPES).or(z.string())).min(1).optional(),
    pattern: z.string().min(1),
    pattern_type: z.enum(PATTERN_TYPES).or(z.string()),
    pattern_version: z.string().optional(),
    valid_from: timestamp,
    valid_until: timestamp.optional(),
  })
  // §4.7.1: if valid_until is present, it MUST be greater than valid_from.
  .refine(
    ({ valid_from, valid_until }) => valid_until === undefined || Date.parse(valid_until) > Date.parse(valid_from),
    {
      message: 'valid_until must be later than valid_from',
    },
  )
  // §3.2: modified MUST be later than or equal to created.
  .refine(({ created, modified }) => Date.parse(modified) >= Date.parse(created), {
    message: 'modified lies before created',
  });

/** §8. Objects of other types are let through: a bundle may hold anything. */
export const bundleSchema = z.strictObject({
  type: z.literal('bundle'),
  id: id('bundle'),
  objects: z
    .array(
      z.union([
        indicatorSchema,
        identitySchema,
        z.looseObject({
          type: z.string().refine((type) => type !== 'indicator' && type !== 'identity'),
          id: z.string(),
        }),
      ]),
    )
    .min(1),
});
export type StixBundle = z.infer<typeof bundleSchema>;

export interface Indicator {
  /** Without a dot at its end. */
  readonly name: string;
  /** Everything below it, too. */
  readonly below: boolean;
  readonly why: string;
}

export function stixBundle(
  indicators: readonly Indicator[],
  { by, nowMs, untilMs, uuid = randomUUID }: { by: string; nowMs: number; untilMs: number; uuid?: () => string },
): StixBundle {
  const now = new Date(nowMs).toISOString();
  const identity = `identity--${uuid()}`;
  return {
    type: 'bundle',
    id: `bundle--${uuid()}`,
    objects: [
      {
        type: 'identity',
        id: identity,
        spec_version: '2.1',
        created: now,
        modified: now,
        name: by,
        identity_class: 'organization',
      },
      ...indicators.map(({ name, below, why }) => ({
        type: 'indicator' as const,
        id: `indicator--${uuid()}`,
        spec_version: '2.1' as const,
        created: now,
        modified: now,
        created_by_ref: identity,
        name,
        description: why,
        indicator_types: ['malicious-activity'],
        pattern: patternOf(name, below),
        pattern_type: 'stix',
        pattern_version: '2.1',
        valid_from: now,
        valid_until: new Date(untilMs).toISOString(),
      })),
    ],
  };
}

/** §9: quotes and backslashes in a string literal are escaped. */
function patternOf(name: string, below: boolean): string {
  const literal = name.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const exact = `domain-name:value = '${literal}'`;
  return below ? `[${exact} OR domain-name:value LIKE '%.${literal}']` : `[${exact}]`;
}

const NAME = /^\[\s*domain-name:value\s*=\s*'([^'\\]{1,253})'(\s+OR\s+domain-name:value\s+LIKE\s+'%\.\1')?\s*\]$/;

/** The name that a pattern is about; undefined where it is about something else, or more than a name. */
export function nameInPattern(pattern: string): { readonly name: string; readonly below: boolean } | undefined {
  const found = NAME.exec(pattern.trim());
  return found ? { name: found[1]!.toLowerCase().replace(/\.$/, ''), below: found[2] !== undefined } : undefined;
}
