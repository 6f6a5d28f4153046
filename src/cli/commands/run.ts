import type { Command } from '../../commands/command.ts';

export const runCommand: Command = {
  name: 'run',
  summary: 'start the server in the foreground',
  help: `Starts the server and stays in the foreground until SIGTERM or SIGINT, which let the
queries under way finish and exit with 0. SIGHUP reads the configuration again; a bad
one is refused and the old one runs on.

The log goes to standard output, one JSON object a line (with or without --json). At
the first start a token for the admin API is written to <data>/admin.token.`,
  examples: [
    ['sekisho run', 'with the default configuration: 127.0.0.1:5353, the system’s resolvers behind it'],
    ['sekisho run --config /etc/sekisho/sekisho.yaml', 'as a service does'],
    ['dig @127.0.0.1 -p 5353 example.com', 'and ask it'],
  ],
  verbs: {
    '': {
      trace: ['configuration.start'],
      load: async () => async (args) => {
        const { runServer } = await import('../../process/server.ts');
        const { config: configPath, featureList, turnedClock } = args;
        return runServer({ configPath, featureList, turnedClock });
      },
    },
  },
};
