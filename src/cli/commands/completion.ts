import type { Command, Verb } from '../../commands/command.ts';

const NO_TRACE = { none: 'it prints a script for a shell and asks no server' };
const script = (file: string): Verb => ({
  summary: `to be put into ${file}`,
  trace: NO_TRACE,
  load: async () => (await import('../completion.ts')).completion,
});

export const completionCommand: Command = {
  name: 'completion',
  summary: 'complete commands and options in the shell',
  help: `Prints a script for bash, zsh, fish or powershell. With it, the Tab key completes commands,
options and their values, and file names where one is expected. The command \`sekisho\` has
to be on the path; bash also needs the package bash-completion, as for other programs.`,
  examples: [
    ['source <(sekisho completion bash)', 'in this shell, and as a line of ~/.bashrc in every one'],
    ['source <(sekisho completion zsh)', 'as a line of ~/.zshrc, behind compinit'],
    ['sekisho completion fish > ~/.config/fish/completions/sekisho.fish', 'for fish'],
  ],
  verbs: {
    bash: script('~/.bashrc'),
    zsh: script('~/.zshrc'),
    fish: script('~/.config/fish/completions/sekisho.fish'),
    powershell: script('the profile of PowerShell'),
  },
};
