import type { Command } from '../../commands/command.ts';

export const noticeCommand: Command = {
  name: 'notice',
  summary: 'look at the pages that subscribers see, or take their texts over',
  help: `preview writes PAGE as HTML to standard output: with made-up content, in the texts, the
language and the name of the operator that the configuration has. Without PAGE it lists the
pages. Nothing is started and no server is asked.

copy puts the texts that come along into FOLDER, which must not be there yet, to be edited
and named as notice.templates. \`sekisho check\` says what a page lacks.`,
  examples: [
    ['sekisho notice preview', 'which pages there are'],
    ['sekisho notice preview blocked-c2 --language en > page.html', 'and open it in a browser'],
    ['sekisho notice copy ./pages', 'one’s own texts begin here'],
  ],
  verbs: {
    preview: {
      summary: 'write a page as HTML; without PAGE list the pages',
      arguments: '[PAGE]',
      options: { language: { value: 'L', meaning: 'ja or en; the first of notice.languages unless given' } },
      trace: { none: 'a page with made-up content; no server is asked' },
      load: async () => (await import('./notice.ts')).noticePreview,
    },
    copy: {
      summary: 'put the texts into FOLDER, to be edited',
      arguments: 'FOLDER',
      trace: { none: 'texts that come along; no server is asked' },
      load: async () => (await import('./notice.ts')).noticeCopy,
    },
  },
};
