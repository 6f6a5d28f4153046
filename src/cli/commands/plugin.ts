import type { Command } from '../../commands/command.ts';

export const pluginCommand: Command = {
  name: 'plugin',
  summary: 'write a plugin of your own, and test it',
  help: `new writes the folder NAME with a plugin that works: code, README, test and package.json.
Nothing that exists is overwritten. Change it, test it, and name it in the configuration
with \`module: ./NAME\`. docs/plugins.md is the guide.

test runs the tests of FOLDER (this one unless given) with Node’s own test runner; in them
\`sekisho/plugin\` and \`sekisho/testing\` are those of this installation.`,
  examples: [
    ['sekisho plugin new my-plugin', 'begin'],
    ['sekisho plugin test my-plugin', 'and see that it works'],
  ],
  verbs: {
    new: {
      summary: 'write the folder NAME with a plugin that works',
      arguments: 'NAME',
      trace: { none: 'it writes files of a new plugin and asks no server' },
      load: async () => (await import('../plugin.ts')).pluginNew,
    },
    test: {
      summary: 'run the tests of FOLDER, or of this one',
      arguments: '[FOLDER]',
      trace: { none: 'it runs tests on this machine and asks no server' },
      load: async () => (await import('../plugin.ts')).pluginTest,
    },
  },
};
