/**
 * What an options schema takes, as the Markdown table of a README and as lists of known keys. Both are read from the
 * JSON Schema that Zod makes of it, so that the documentation cannot say anything else than the parser does.
 */
import { z } from 'zod';

/** The parts of a JSON Schema that are read here. */
interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  /** Written by units.ts and schema.ts with `.meta`: what to call a value that JSON Schema has no word for. */
  typeText?: string;
}

/** The table of a plugin's options (or of a section of the configuration), one row an option, nested ones with dots. */
export function pluginTable(schema: z.ZodType): string {
  const rows = optionRows(jsonSchema(schema), '');
  if (rows.length === 0) return 'No options.\n';
  const head = ['| option | type | default | meaning |', '|---|---|---|---|'];
  return `${[...head, ...rows.map((row) => `| ${row.map(cellText).join(' | ')} |`)].join('\n')}\n`;
}

/** The keys that `schema` knows at `path`; empty where any key may stand. */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let here = [jsonSchema(schema)];
  for (const step of path) {
    here = here.flatMap(alternatives).flatMap((at) => {
      if (typeof step === 'number') return at.items ? [at.items] : [];
      const property = at.properties && Object.hasOwn(at.properties, step) ? at.properties[String(step)] : undefined;
      if (property) return [property];
      return typeof at.additionalProperties === 'object' ? [at.additionalProperties] : [];
    });
  }
  return here.flatMap(alternatives).flatMap((at) => Object.keys(at.properties ?? {}));
}

function jsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as JsonSchema;
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const inner = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  return inner ? inner.flatMap(alternatives) : [schema];
}

type Row = [option: string, type: string, fallback: string, meaning: string];

function optionRows(schema: JsonSchema, prefix: string): Row[] {
  return alternatives(schema).flatMap((branch) => {
    const own = Object.entries(branch.properties ?? {}).flatMap(([key, option]): Row[] => {
      const name = `${prefix}${key}`;
      const row: Row = [`\`${name}\``, typeText(option), defaultText(option, branch, key), option.description ?? ''];
      return [row, ...nestedRows(option, name)];
    });
    return own;
  });
}

/** The options inside an option: maps with a dot, lists with `[]`, named entries with `<name>`. */
function nestedRows(option: JsonSchema, name: string): Row[] {
  return alternatives(option).flatMap((branch) => {
    if (branch.properties) return optionRows(branch, `${name}.`);
    if (branch.items) return nestedRows(branch.items, `${name}[]`);
    if (typeof branch.additionalProperties === 'object')
      return nestedRows(branch.additionalProperties, `${name}.<name>`);
    return [];
  });
}

function typeText(schema: JsonSchema): string {
  if (schema.typeText !== undefined) return schema.typeText;
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return branches.map(typeText).join(' or ');
  if (schema.const !== undefined) return valueText(schema.const);
  if (schema.enum) return schema.enum.map(valueText).join(', ');
  switch (schema.type) {
    case 'array':
      return `list of ${schema.items ? typeText(schema.items) : 'values'}${rangeText(schema.minItems, schema.maxItems, ', ', ' entries')}`;
    case 'object':
      return typeof schema.additionalProperties === 'object'
        ? `map of name → ${typeText(schema.additionalProperties)}`
        : 'map';
    case 'integer':
    case 'number':
      return numberText(schema);
    case 'boolean':
      return 'true or false';
    case 'string':
      return schema.format
        ? (FORMATS[schema.format] ?? schema.format)
        : `text${rangeText(schema.minLength, schema.maxLength, ', ', ' characters')}`;
    default:
      return schema.type ?? 'any value';
  }
}

const FORMATS: Record<string, string> = {
  ipv4: 'IPv4 address',
  ipv6: 'IPv6 address',
  cidrv4: 'IPv4 network',
  cidrv6: 'IPv6 network',
  uri: 'URL',
  date: 'date',
  'date-time': 'date and time',
};

function numberText(schema: JsonSchema): string {
  const noun = schema.type === 'integer' ? 'whole number' : 'number';
  if (schema.exclusiveMinimum !== undefined) return `${noun} > ${schema.exclusiveMinimum}`;
  return `${noun}${rangeText(schema.minimum, schema.maximum, ' ', '')}`;
}

/** Zod gives whole numbers the bounds of safe integers; those say nothing to a reader. */
function rangeText(min: number | undefined, max: number | undefined, before: string, unit: string): string {
  const low = min === undefined || min <= Number.MIN_SAFE_INTEGER ? undefined : min;
  const high = max === undefined || max >= Number.MAX_SAFE_INTEGER ? undefined : max;
  if (low !== undefined && high !== undefined) return `${before}${low}–${high}${unit}`;
  const [sign, only] = low === undefined ? ['≤', high] : ['≥', low];
  if (only === undefined) return '';
  return `${before}${sign} ${only}${only === 1 && unit === ' entries' ? ' entry' : unit}`;
}

function defaultText(option: JsonSchema, owner: JsonSchema, key: string): string {
  if (option.default === undefined) return owner.required?.includes(key) ? '*required*' : '–';
  // A map's default is that of its own options, in the rows below.
  return isEmptyMap(option.default) ? '' : valueText(option.default);
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value || '""' : JSON.stringify(value);
  return `\`${text}\``;
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}
