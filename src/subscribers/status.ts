/** What `sekisho status` tells of subscribers: leases, and the file of static ranges. */
import { z } from 'zod';
import { numberText } from '../commands/layout.ts';
import { counted } from '../errors/counted.ts';
import { statusPart } from '../feature/status.ts';

const count = z.number().min(0);

export const SUBSCRIBERS_STATUS = statusPart(
  {
    leases: z
      .strictObject({
        addresses: count.describe('Addresses and prefixes that were leased since the start.'),
        conflicts: count.describe(
          'Reports that left an address to nobody, because another subscriber is named for it too.',
        ),
        refused: count.describe('Addresses and prefixes in reports that were refused: out of bounds, or unreadable.'),
        sessionsRefused: count.describe(
          'Reports of sessions for which there was no room: their RADIUS client has taken its share, or all is taken.',
        ),
      })
      .nullable()
      .describe('Null where the configuration knows no subscribers.'),
    ranges: z
      .strictObject({
        rows: count.describe('Rows of the file of static ranges that are in force.'),
        rejected: count.describe('Rows of it that were left out.'),
        unreadable: count.describe(
          'Of those left out: rows that cannot be read although an address in them can; nobody is known behind it. A warning says what to do.',
        ),
      })
      .nullable()
      .describe('Null where there is no file of static ranges, or it cannot be read.'),
  },
  ({ leases, ranges }) => {
    const lines: (readonly [string, string])[] = [];
    if (leases) {
      const { addresses, conflicts, refused, sessionsRefused } = leases;
      const doubts = [
        conflicts > 0 ? `, ${numberText(conflicts)} reports contradicted others: nobody holds these addresses` : '',
        refused > 0 ? `, ${numberText(refused)} prefixes refused` : '',
        sessionsRefused > 0
          ? `, ${numberText(sessionsRefused)} reports refused because there is no room for sessions`
          : '',
      ];
      lines.push(['leases', `${counted(addresses, 'address', 'addresses')}${doubts.join('')}`]);
    }
    if (ranges) {
      const { rows, rejected, unreadable } = ranges;
      const leftOut = rejected > 0 ? `, ${numberText(rejected)} left out` : '';
      const unread = unreadable > 0 ? `, ${numberText(unreadable)} of them unreadable` : '';
      lines.push(['ranges', `${counted(rows, 'row')}${leftOut}${unread}`]);
    }
    return lines;
  },
);
