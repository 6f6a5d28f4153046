export const tideCommand = {
  name: 'tide',
  summary: 'set the tide of the running server',
  help: 'Every thread shows the level when the command returns.',
  examples: [['sekisho tide 5', 'half way']],
  verbs: {
    '': {
      arguments: 'LEVEL',
      trace: ['tide.set'],
      load: async () => async (args, terminal) => {
        const { level } = await args.server.send('POST', '/v1/tide', { level: Number(args.positionals[0]) });
        terminal.out(`the tide stands at ${level}\n`);
        return 0;
      },
    },
  },
};
