/** Another resolver's configuration, in ours. */
import { convertBind } from './bind.ts';
import type { Draft } from './draft.ts';
import { convertPdnsRecursor } from './pdns-recursor.ts';
import { misread, type ReadFile, readFiles } from './sources.ts';
import { convertUnbound } from './unbound.ts';

export const CONVERTED = ['unbound', 'bind', 'pdns-recursor'] as const;
export type Converted = (typeof CONVERTED)[number];

const CONVERTERS: Readonly<Record<Converted, (file: string, read: ReadFile) => Promise<Draft>>> = {
  unbound: convertUnbound,
  bind: convertBind,
  'pdns-recursor': convertPdnsRecursor,
};

/** Throws SEKISHO_CONVERT_FILE, with file and line. `from`: whose it is; undefined: its looks say so. */
export async function convert(file: string, from: Converted | undefined, read: ReadFile = readFiles) {
  const whose = from ?? guess(await read.text(file));
  if (whose === undefined) throw misread(file, 0, `looks like none of ${CONVERTED.join(', ')}`);
  return { from: whose, draft: await CONVERTERS[whose](file, read) };
}

function guess(text: string): Converted | undefined {
  const plain = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*(#|\/\/).*$/gm, '');
  if (/^\s*(options|zone|include|acl|view)\b[^;{]*[{;]/m.test(plain)) return 'bind';
  if (/^\s*(server|forward-zone|stub-zone|remote-control|include-toplevel|include):/m.test(plain)) return 'unbound';
  if (/^\s*[a-z0-9-]+\s*\+?=/m.test(plain)) return 'pdns-recursor';
  return undefined;
}
