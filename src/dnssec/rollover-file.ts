/**
 * What was learnt of trust anchors, on the disk: one JSON file, written beside and renamed over, so that a kill at any moment
 * leaves the old or the new one whole. With it lie the configured anchors that it was learnt from: where somebody configures
 * others, it starts over.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { errorText } from '../errors/errors.ts';
import type { AnchorRecord } from './dnssec-config.ts';
import { type FollowedZone, KEY_STATES } from './rollover.ts';

const bytes = z.base64().transform((text) => Uint8Array.from(Buffer.from(text, 'base64')));
const fileSchema = z.object({
  version: z.literal(1),
  configured: z.string(),
  zones: z.array(
    z.object({
      zone: bytes,
      seenAt: z.iso.datetime(),
      keys: z.array(z.object({ data: bytes, state: z.enum(KEY_STATES), since: z.iso.datetime() })),
    }),
  ),
});

export interface Learnt {
  readonly zones: readonly FollowedZone[];
  /** Why what lay there does not count; undefined: it does, or nothing lay there. */
  readonly refused: string | undefined;
}

export function readLearnt(file: string, configured: readonly AnchorRecord[], nowMs: number): Learnt {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { zones: [], refused: missing ? undefined : errorText(error) };
  }
  try {
    const read = fileSchema.parse(JSON.parse(text));
    if (read.configured !== seedOf(configured))
      return { zones: [], refused: 'the configured trust anchors are others than it was learnt from' };
    const zones = read.zones.map(({ zone, keys, seenAt }) => ({
      zone,
      seenAtMs: Date.parse(seenAt),
      keys: keys.map(({ data, state, since }) => ({ data, state, sinceMs: Date.parse(since) })),
    }));
    return { zones, refused: undefined };
  } catch {
    // Kept for whoever wants to know; nothing of it is believed.
    const aside = `${file}.damaged-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
    renameSync(file, aside);
    return { zones: [], refused: `it is damaged, and was moved to ${aside}` };
  }
}

export function writeLearnt(file: string, configured: readonly AnchorRecord[], zones: readonly FollowedZone[]): void {
  const text = JSON.stringify(
    {
      version: 1,
      configured: seedOf(configured),
      zones: zones.map(({ zone, keys, seenAtMs }) => ({
        zone: base64(zone),
        seenAt: new Date(seenAtMs).toISOString(),
        keys: keys.map(({ data, state, sinceMs }) => ({
          data: base64(data),
          state,
          since: new Date(sinceMs).toISOString(),
        })),
      })),
    },
    null,
    2,
  );
  const beside = join(dirname(file), '.anchors.new');
  const handle = openSync(beside, 'w', 0o600);
  try {
    writeSync(handle, `${text}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function seedOf(configured: readonly AnchorRecord[]): string {
  return configured
    .map(({ zone, type, data }) => `${base64(zone)} ${type} ${base64(data)}`)
    .sort()
    .join('\n');
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}
