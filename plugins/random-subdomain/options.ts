/** What can be set: parser, types and the README's table come from it. */
import { durationMs, durationSeconds, sizeBytes, z } from '../../src/contract/plugin.ts';

export const options = z.strictObject({
  limit: z
    .int()
    .min(1)
    .max(100_000)
    .default(50)
    .describe(
      'Queries a second that are sent to a zone in trouble, repeated ones included; half of it is left to names known to exist. They also find out when it is well again.',
    ),
  outstanding: z
    .int()
    .min(16)
    .max(4096)
    .default(400)
    .describe(
      'Questions of one zone that may wait for an upstream at once; when it is reached the zone is in trouble.',
    ),
  'slow-after': durationMs({ min: '50ms', max: '30s' })
    .prefault('1s')
    .describe('An answer that takes longer counts as a failure of its zone.'),
  least: z
    .int()
    .min(1)
    .max(10_000)
    .default(20)
    .describe(
      'Questions within about 10 s before a zone can be found to be in trouble; half of them must have failed.',
    ),
  'failing-budget': z
    .int()
    .min(1)
    .max(1_000_000)
    .default(200)
    .describe(
      'Queries a second that may be sent in vain, all zones together, repeated ones included: beside them a tenth of what is answered. Zones that are new, or fail, share it.',
    ),
  exempt: z.array(z.string()).max(10_000).default([]).describe('Registered domains that are never limited.'),
  zones: z
    .int()
    .min(64)
    .max(1 << 20)
    .default(4096)
    .describe('Zones that each worker watches; those of use longest ago are forgotten first.'),
  'known-names': z
    .strictObject({
      size: sizeBytes({ min: '64KiB', max: '1GiB' })
        .prefault('8MiB')
        .describe('Memory for names seen to exist; 8 MiB tell about 7 million from strangers.'),
      keep: durationSeconds({ min: '1h', max: '30d' })
        .prefault('7d')
        .describe('A name is forgotten after half of this at the earliest and all of it at the latest.'),
      networks: z
        .int()
        .min(1)
        .max(3)
        .default(2)
        .describe(
          'Client networks (IPv4 /24, IPv6 /56) that must have asked for a name before it counts as known; 1 where all clients are in one.',
        ),
      over: durationSeconds({ min: '0s', max: '1h' })
        .prefault('2s')
        .describe('… and time from the first of these questions to the last, at least.'),
    })
    .prefault({})
    .describe('The filter of names that exist, kept over restarts.'),
  'dry-run': z.boolean().default(false).describe('Only count what would be refused.'),
});

export type Options = z.infer<typeof options>;
