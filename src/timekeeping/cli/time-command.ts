import type { Command } from '../../commands/command.ts';

export const timeCommand: Command = {
  name: 'time',
  summary: 'the server’s time beside the system’s clock',
  help: `What has ended never returns: the server's time never runs behind the latest time that the
data folder has seen, whatever the system's clock says. show (the default) compares the two.

Where the clock is behind at a start, the time is in doubt and nothing with a term acts
until the clock has caught up. Where the clock ran ahead by mistake (the year 2099), set
it right and say so with accept: terms are judged by the clock again. What has ended by
then stays ended and has to be stated again. Recorded with the reason; roles: operator,
privacy.`,
  examples: [
    ['sekisho time', 'is the clock trusted?'],
    ['sekisho time accept --reason "NTP server sent 2099, mended at 04:10, ticket 4711"', 'take the clock as right'],
  ],
  verbs: {
    show: {
      summary: 'both times, and whether the clock is trusted (the default)',
      trace: { none: 'the time alone: no name, no address, no subscriber' },
      load: async () => (await import('./time.ts')).time,
    },
    accept: {
      summary: 'take the clock as right',
      options: { reason: { value: 'TEXT', meaning: 'how the right time is known; recorded', required: true } },
      trace: ['time.accept'],
      load: async () => (await import('./time.ts')).time,
    },
  },
  defaultVerb: 'show',
};
