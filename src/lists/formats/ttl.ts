const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
/** RFC 2181 §8. */
const MAX_TTL = 0x7fffffff;

/** Seconds of a TTL: a number, or parts with units as BIND writes them (`1h30m`); undefined where it is none. */
export function parseTtl(text: string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text) <= MAX_TTL ? Number(text) : undefined;
  if (!/^(\d{1,10}[smhdw])+$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(/(\d+)([smhdw])/gi)) {
    seconds += Number(digits) * (UNIT_SECONDS[unit.toLowerCase()] ?? 0);
  }
  return seconds <= MAX_TTL ? seconds : undefined;
}
