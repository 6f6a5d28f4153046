import type { Command } from '../../commands/command.ts';

export const checkCommand: Command = {
  name: 'check',
  summary: 'find every problem of the configuration, start nothing',
  help: `Reads the configuration as \`run\` would, plugins and their options included, and names
every problem at once as file:line:column: path: message. Without a problem it shows
what the configuration amounts to: addresses, upstreams, and the plugins in the order
in which they run.

Exit code 0: nothing wrong. 1: at least one problem.`,
  examples: [
    ['sekisho check', 'the configuration that `sekisho run` would take'],
    ['sekisho check --config new.yaml && mv new.yaml sekisho.yaml', 'look before the running server gets to see it'],
    ['sekisho check --json', 'for a deployment pipeline: {"ok": …, "problems": […]}'],
  ],
  verbs: {
    '': {
      trace: { none: 'it reads the configuration file and asks no server' },
      load: async () => (await import('../check.ts')).check,
    },
  },
};
