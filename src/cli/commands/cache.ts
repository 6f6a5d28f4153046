import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

export const cacheCommand: Command = {
  name: 'cache',
  summary: 'forget what the cache holds of a name; the cache in numbers',
  help: `flush NAME forgets every answer to questions for NAME, in all workers at once: they share
one cache. With --subtree also for all names below it (\`flush . --subtree\` empties the
cache), with --type for one type only. Remembered failures are forgotten, too. An answer
that is on its way from an upstream meanwhile is stored as it comes.

stats shows what is held, how often it served, and what gave way.
Roles: operator or security; stats also for viewers.`,
  examples: [
    ['sekisho cache flush www.example.com', 'a site has moved and waits for nobody'],
    ['sekisho cache flush example.com --subtree', 'a whole zone has'],
    ['sekisho cache stats', 'is it large enough?'],
  ],
  verbs: {
    flush: {
      summary: 'forget every answer to questions for NAME',
      arguments: 'NAME',
      options: { ...pick('subtree'), type: { value: 'T', meaning: 'one type of record only, e.g. AAAA' } },
      trace: ['cache.flush'],
      load: async () => (await import('../cache.ts')).cacheFlush,
    },
    stats: {
      summary: 'what is held, how often it served, what gave way',
      trace: { none: 'how much the cache holds and how often it served: no name, no address' },
      load: async () => (await import('../cache.ts')).cacheStats,
    },
  },
};
