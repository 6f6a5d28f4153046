import type { Command } from '../../commands/command.ts';

export const exportCommand: Command = {
  name: 'export',
  summary: 'router filters, made from the configuration in force',
  help: `ip53b: filters that keep strangers from using subscribers' devices as amplifiers. UDP
towards port 53 and 123 of dynamic addresses is dropped, and UDP from port 53 of them;
fixed addresses and the operator's own servers are let through. Networks and ports stand
in the section ip53b of the configuration. The text goes to standard output; the same
configuration always gives the same text.

nftables: for \`nft -f\`. iptables: a shell script for iptables and ip6tables. junos: for
\`load set terminal\`. ios-xr: access lists.`,
  examples: [
    ['sekisho export ip53b --format nftables | nft -f -', 'put it into force on this machine'],
    ['sekisho export ip53b --format junos > ip53b.set', 'for a router'],
  ],
  verbs: {
    ip53b: {
      summary: 'filters against the use of devices as amplifiers',
      options: {
        format: {
          value: 'F',
          choices: ['nftables', 'iptables', 'junos', 'ios-xr'],
          meaning: 'for which kind of router',
          required: true,
        },
      },
      trace: { none: 'a filter made of the configuration: nothing of anybody’s communication' },
      load: async () => (await import('./export.ts')).exportFilter,
    },
  },
};
