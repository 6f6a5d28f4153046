/** A series as one line of blocks, from 0 to its highest value. */
const BLOCKS = '▁▂▃▄▅▆▇█';

export function sparkline(values: readonly number[]): string {
  const most = Math.max(0, ...values);
  if (most === 0) return BLOCKS[0]!.repeat(values.length);
  return values.map((value) => BLOCKS[Math.min(7, Math.floor((Math.max(0, value) / most) * 7.999))]).join('');
}
