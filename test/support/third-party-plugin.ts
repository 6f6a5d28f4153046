/** Plugins as somebody outside would write them: a file beside the configuration that imports only the contract. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './process.ts';

/**
 * Write the plugin `name` to a file and return its path. `hooks`: what stands between the braces of what `data` returns;
 * it may use `options`, `counters`, `hits` (a counter), `is(query, NAME)` and all the contract exports.
 */
export function writePlugin(name: string, hooks: string, more: { stage?: string; parts?: string } = {}): string {
  const file = join(temporaryFolder('plugin'), `${name}.mjs`);
  writeFileSync(
    file,
    `import * as sekisho from 'sekisho/plugin';
const { ADDITIONAL, ANSWER, ANSWER_SECTION, CONTINUE, DEFER, DROP, FAIL, RCODE, REFUSE, TRUNCATE, TYPE } = sekisho;
const { addRecord, beginReply, textToName, z } = sekisho;
const names = new Map();
function is({ question }, text) {
  if (!names.has(text)) names.set(text, textToName(text));
  const name = names.get(text);
  return name.length === question.nameLength && name.every((byte, i) => byte === question.name[i]);
}
export default sekisho.definePlugin({
  name: '${name}',
  stage: '${more.stage ?? 'policy'}',
  summary: 'written by a test',
  options: z.strictObject({ text: z.string().default('') }),
  ${more.parts ?? ''}
  data({ options, counter, counters, worker, clock, defer, resume }) {
    const hits = counter('hits', 'Queries that a test asked.');
    return {
${hooks}
    };
  },
});
`,
  );
  return file;
}
