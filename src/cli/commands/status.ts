import type { Command } from '../../commands/command.ts';

export const statusCommand: Command = {
  name: 'status',
  summary: 'show the state of the running server',
  help: `Asks the running server for its listeners, upstreams (state and round-trip time),
workers, plugins (mean cost per query) and cache.

The server is found through admin.listen of the configuration. The token comes from
SEKISHO_TOKEN, else from <data>/admin.token, which the server's own user may read.`,
  examples: [
    ['sekisho status', 'one look'],
    ['sekisho status --json | jq .upstreams', 'one part of it'],
    ['SEKISHO_TOKEN=… sekisho status --config /etc/sekisho/sekisho.yaml', 'with a token of one’s own'],
  ],
  verbs: {
    '': {
      trace: { none: 'the state of the server: no name, no address of a client, no subscriber' },
      load: async () => (await import('../status.ts')).status,
    },
  },
};
