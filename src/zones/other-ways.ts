/** Which zones a new configuration sends another way than the one before. */
import { isDeepStrictEqual } from 'node:util';
import type { ZoneConfig } from './zone-config.ts';

/** Apexes of zones that came, went or changed; records of files are compared too. */
export function otherWays(before: readonly ZoneConfig[], after: readonly ZoneConfig[]): Uint8Array[] {
  const byName = (zones: readonly ZoneConfig[]) => new Map(zones.map((zone) => [zone.zone, zone]));
  const [old, next] = [byName(before), byName(after)];
  return [...new Set([...old.keys(), ...next.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name), next.get(name)];
    return isDeepStrictEqual(was?.way, is?.way) ? [] : [(is ?? was)!.apex];
  });
}
