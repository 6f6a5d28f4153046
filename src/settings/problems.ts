/**
 * What Zod says about data, in words for an operator and with the place in the file.
 *
 * `MESSAGES` is handed to every `safeParse`: a message that a schema's author wrote wins over it, what is left is said
 * here, once for the core and all plugins.
 */
import type { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { knownKeys } from './plugin-table.ts';
import type { ConfigProblem, ConfigSource, Path } from './yaml-source.ts';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

export type Checked<T> =
  | { readonly data: T; readonly problems?: never }
  | { readonly data?: never; readonly problems: ConfigProblem[] };

/** Parse `value`, which stands at `path` in `source`. Either the data or at least one problem. */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  source: ConfigSource,
  path: Path,
): Checked<z.infer<Schema>> {
  const result = schema.safeParse(withoutEmptySections(schema, value), { error: messageOf });
  if (result.success) return { data: result.data };
  return { problems: result.error.issues.flatMap((issue) => problemsOf(issue, schema, source, path, [])) };
}

/** One issue as problems: `base` leads to the schema's own value, `above` from there to the issue's. */
function problemsOf(issue: Issue, schema: z.ZodType, source: ConfigSource, base: Path, above: Path): ConfigProblem[] {
  const inside = [...above, ...issue.path];
  const path = [...base, ...inside];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const keys = knownKeys(schema, inside);
      return issue.keys.map((key) => source.problem([...path, key], unknownKey(key, keys), 'key'));
    }
    case 'invalid_union': {
      // The branch whose shape the value has says more than "none of them".
      const branch = issue.errors.find(
        (errors) => !errors.some((error) => error.path.length === 0 && isShapeIssue(error)),
      );
      if (branch) return branch.flatMap((error) => problemsOf(error as Issue, schema, source, base, inside));
      return [source.problem(path, unionMessage(issue.errors as Issue[][]) ?? issue.message)];
    }
    case 'invalid_key':
      return [source.problem(path, issue.issues[0]?.message ?? issue.message, 'key')];
    default:
      return [source.problem(path, issue.message)];
  }
}

/** `unknown key 'lissen'; did you mean 'listen'?` */
export function unknownKey(key: string, known: readonly string[]): string {
  const close = didYouMean(key, known);
  if (close !== undefined) return `unknown key; did you mean '${close}'?`;
  if (known.length === 0) return 'unknown key';
  return known.length <= 12 ? `unknown key; known here: ${known.join(', ')}` : 'unknown key';
}

/** A value from the file in a few characters. */
export function foundText(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? `'${value.replaceAll(/\s+/g, ' ')}'` : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…${typeof value === 'string' ? "'" : ''}` : text;
}

function isShapeIssue(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

/** `expected 'auto' or a whole number, found 'aut'`, from what each branch expected. */
function unionMessage(branches: Issue[][]): string | undefined {
  const messages = branches.map((errors) => /^expected (.+), found (.+)$/.exec(errors[0]?.message ?? ''));
  const wanted = messages.map((match) => match?.[1]);
  if (wanted.some((text) => text === undefined)) return undefined;
  return `expected ${wanted.join(' or ')}, found ${messages[0]?.[2]}`;
}

function messageOf(issue: RawIssue): string | undefined {
  const input = foundText(issue.input);
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `is missing: ${EXPECTED[issue.expected] ?? issue.expected} is needed here`;
      return `expected ${EXPECTED[issue.expected] ?? issue.expected}, found ${input}`;
    case 'invalid_value':
      return `expected ${choiceText(issue.values)}, found ${input}${closeChoice(issue.input, issue.values)}`;
    case 'too_small':
      return `${limitText('at least', Number(issue.minimum), issue.origin, issue.inclusive !== false)}, found ${sizeText(issue.input)}`;
    case 'too_big':
      return `${limitText('at most', Number(issue.maximum), issue.origin, issue.inclusive !== false)}, found ${sizeText(issue.input)}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}, found ${input}`;
    case 'invalid_format':
      return `expected ${FORMATS[issue.format] ?? `text of the form ${issue.pattern ?? issue.format}`}, found ${input}`;
    default:
      return undefined;
  }
}

const EXPECTED: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map (key: value)',
  record: 'a map (key: value)',
  date: 'a date',
  null: 'nothing',
};

const FORMATS: Record<string, string> = {
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 network such as 192.0.2.0/24',
  cidrv6: 'an IPv6 network such as 2001:db8::/32',
  url: 'a URL',
  email: 'a mail address',
  date: 'a date such as 2027-03-31',
  datetime: 'an instant such as 2027-03-31T09:00:00Z',
};

function limitText(which: string, limit: number, origin: string, inclusive: boolean): string {
  const amount = inclusive ? `${which} ${limit}` : which === 'at least' ? `more than ${limit}` : `less than ${limit}`;
  if (origin === 'string') return `must have ${amount} character${limit === 1 ? '' : 's'}`;
  if (origin === 'array' || origin === 'set') return `must have ${amount} entr${limit === 1 ? 'y' : 'ies'}`;
  if (origin === 'map' || origin === 'object' || origin === 'record')
    return `must have ${amount} key${limit === 1 ? '' : 's'}`;
  return `must be ${amount}`;
}

function sizeText(value: unknown): string {
  if (typeof value === 'string' || Array.isArray(value)) return String(value.length);
  if (typeof value === 'object' && value !== null) return String(Object.keys(value).length);
  return foundText(value);
}

function choiceText(values: readonly unknown[]): string {
  const texts = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
  const last = texts.pop() ?? '';
  return texts.length > 0 ? `${texts.join(', ')} or ${last}` : last;
}

function closeChoice(value: unknown, choices: readonly unknown[]): string {
  if (typeof value !== 'string' || choices.length < 3) return '';
  const close = didYouMean(
    value,
    choices.filter((choice) => typeof choice === 'string'),
  );
  return close === undefined ? '' : `; did you mean '${close}'?`;
}

/** `cache:` with nothing behind it means the same as no `cache` at all, wherever a map of options is expected. */
function withoutEmptySections(schema: z.ZodType, value: unknown): unknown {
  const shape = objectShape(schema);
  if (!shape) return value;
  if (value === null) return {};
  if (typeof value !== 'object' || value === undefined || Array.isArray(value)) return value;
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([key, inner]) => {
      const field = Object.hasOwn(shape, key) ? shape[key] : undefined;
      return [key, field ? withoutEmptySections(field, inner) : inner];
    }),
  );
}

/** The fields of an object schema, looked for below defaults and `optional`. */
function objectShape(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  let at = schema as { shape?: Record<string, z.ZodType>; def?: { type: string; innerType?: z.ZodType } };
  while (at.def?.innerType && at.def.type !== 'object') at = at.def.innerType as typeof at;
  return at.def?.type === 'object' ? at.shape : undefined;
}
