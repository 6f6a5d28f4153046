/** What `sekisho status` tells of infected terminals: in numbers, and of nobody. */
import { z } from 'zod';
import { numberText } from '../commands/layout.ts';
import { counted } from '../errors/counted.ts';
import { statusPart } from '../feature/status.ts';

const count = z.number().min(0);

export const TERMINALS_STATUS = statusPart(
  {
    terminals: z
      .strictObject({
        leaseHistory: z
          .enum(['kept', 'off', 'unavailable'])
          .describe(
            'Whether reports can be matched; `unavailable`: its ground has ended, or its file cannot be opened.',
          ),
        open: z
          .strictObject({ new: count, notified: count, seen: count, fixed: count, wrong: count })
          .describe('Cases that are not over, by state.'),
        over: count.describe('Cases that are over and kept still.'),
        waiting: count.describe('Notices that wait for the webhook.'),
        undelivered: count.describe('Notices that the webhook did not take and that are given up.'),
      })
      .nullable()
      .describe('Notices to infected terminals; null where no report is taken.'),
  },
  ({ terminals }) => {
    if (!terminals) return [];
    const { open, over, leaseHistory, waiting } = terminals;
    const all = open.new + open.notified + open.seen;
    return [
      [
        'terminals',
        `${counted(all, 'open case')} (${numberText(open.new)} not told yet), ${numberText(over)} over${waiting > 0 ? `, ${counted(waiting, 'notice')} waiting for the webhook` : ''}; lease history ${leaseHistory}`,
      ],
    ];
  },
);
