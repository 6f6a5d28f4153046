/**
 * What becomes of another resolver's configuration: the draft of ours, and of every directive what happened to it.
 *
 *   unbound.ts, bind.ts, pdns-recursor.ts ─ directives ─▶ Draft ─▶ yamlOf: comments on what is left out, then the configuration
 */
import { stringify } from 'yaml';

/** Where a directive stands. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** `built-in`: the server does so without being told. `changed`: taken over with another meaning. `left-out`: nothing here does that. */
export type NoteKind = 'built-in' | 'changed' | 'left-out';

export interface Note extends Place {
  readonly kind: NoteKind;
  /** The directive as it was written, shortened. */
  readonly directive: string;
  /** Why, or what to do instead. */
  readonly why: string;
}

export interface ZoneDraft {
  readonly zone: string;
  readonly forward?: readonly Server[];
  readonly stub?: readonly string[];
  readonly records?: string;
}

/** A resolver, `address` or `address:port`, IPv6 in brackets. */
export type Server =
  | string
  | { readonly address: string; readonly tls: { readonly mode: 'strict'; readonly name: string } };

export class Draft {
  readonly listen: (string | { address: string; transport: 'tls'; certificate: string; key: string })[] = [];
  readonly access: string[] = [];
  readonly upstream: Server[] = [];
  readonly zones: ZoneDraft[] = [];
  /** Keys below sections, as they will stand: `cache` → `{ size: '64MiB' }`. */
  readonly sections = new Map<string, Record<string, unknown>>();
  readonly notes: Note[] = [];
  /** Directives that were taken over as they are. */
  taken = 0;

  set(section: string, key: string, value: unknown): void {
    const known = this.sections.get(section) ?? {};
    known[key] = value;
    this.sections.set(section, known);
  }

  add(section: string, key: string, value: string): void {
    const known = (this.sections.get(section)?.[key] as string[] | undefined) ?? [];
    if (!known.includes(value)) this.set(section, key, [...known, value]);
  }

  note(kind: NoteKind, place: Place, directive: string, why: string): void {
    const short = directive.length > 100 ? `${directive.slice(0, 97)}…` : directive;
    this.notes.push({ kind, file: place.file, line: place.line, directive: short, why });
  }
}

const HEADINGS: readonly (readonly [NoteKind, string])[] = [
  ['left-out', 'LEFT OUT: look at each of these'],
  ['changed', 'TAKEN OVER WITH ANOTHER MEANING'],
  ['built-in', 'NOTHING TO WRITE: the server does so without being told, or is made so'],
];

/** Our configuration, behind comments on what became of the rest. */
export function yamlOf(draft: Draft, from: string): string {
  const lines = [`# Made by \`sekisho convert\` from ${from}. Look through it, then: sekisho check --config THIS-FILE`];
  for (const [kind, heading] of HEADINGS) {
    const notes = draft.notes.filter((note) => note.kind === kind);
    if (notes.length === 0) continue;
    lines.push('#', `# ${heading}`);
    for (const { file, line, directive, why } of notes) {
      const place = line > 0 ? `${file}:${line}: ` : '';
      lines.push(`#   ${place}${printable(directive)}`, `#     ${printable(why)}`);
    }
  }
  return `${lines.join('\n')}\n\n${stringify(configurationOf(draft), { lineWidth: 0 })}`;
}

export function configurationOf(draft: Draft): Record<string, unknown> {
  const { listen, access, upstream, zones, sections } = draft;
  const section = (name: string) => sections.get(name) ?? {};
  const server = { ...(listen.length > 0 && { listen }), ...(access.length > 0 && { access }), ...section('server') };
  const plugins = section('plugins');
  const rest = [...sections.entries()].filter(([name]) => !OWN_PLACE.has(name));
  return {
    server,
    ...(upstream.length > 0 ? { upstream: { servers: upstream, ...section('upstream') } } : resolving(draft)),
    ...Object.fromEntries(rest),
    ...(zones.length > 0 && { zones }),
    // Those that come along are for trying things out.
    lists: [],
    plugins: { access: {}, 'amp-shaper': {}, sinkhole: {}, ...plugins },
  };
}

const OWN_PLACE = new Set(['server', 'upstream', 'resolve', 'plugins']);

function resolving({ sections }: Draft): Record<string, unknown> {
  const upstream = sections.get('upstream');
  return { resolve: sections.get('resolve') ?? {}, ...(upstream && { upstream }) };
}

/** Nothing of another file ends the comment that it stands in. */
function printable(text: string): string {
  return text.replace(/\s+/g, ' ');
}

/** `address` with a port other than 53, as ours are written. */
export function endpoint(address: string, port: number | undefined): string {
  if (port === undefined || port === 53) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** An address to listen on: always with its port. */
export function listenOn(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Zones are written without the final dot. */
export function zoneName(text: string): string {
  return text === '.' ? '.' : text.replace(/\.$/, '').toLowerCase();
}

/** Bytes as `64m`, `1g`, `4096`; undefined where it is none. */
export function sizeText(text: string): string | undefined {
  const found = /^(\d+)\s*([kmg]?)b?$/i.exec(text);
  if (!found) return undefined;
  const factor = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[found[2]!.toLowerCase() as '' | 'k' | 'm' | 'g'];
  return mebibytes(Number(found[1]) * factor);
}

/** A cache of at least a mebibyte. */
export function mebibytes(bytes: number): string {
  return `${Math.max(1, Math.round(bytes / 1024 ** 2))}MiB`;
}

/** Seconds as a duration within the bounds that the option has. */
export function seconds(value: number, most: number): string {
  return `${Math.min(value, most)}s`;
}
