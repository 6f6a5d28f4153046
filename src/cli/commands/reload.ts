import type { Command } from '../../commands/command.ts';

export const reloadCommand: Command = {
  name: 'reload',
  summary: 'read the configuration again, without losing a query',
  help: `The running server reads its configuration file again, as on SIGHUP. New workers take over
the sockets and the cache; the old ones answer what waits and end. A configuration with
problems is refused, every problem is named, and the one in force stays.`,
  examples: [['sekisho reload', 'after a change of the file; look at it with `sekisho check` first']],
  verbs: {
    '': {
      trace: ['configuration.reload'],
      load: async () => (await import('../reload.ts')).reload,
    },
  },
};
