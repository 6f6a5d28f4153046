/** The files of a new plugin: it works as it is, and every line of it is there to be changed. */
import { CONTRACT_VERSION } from '../contract/plugin.ts';
import { DEFAULT_PLUGIN_LINES } from '../loading/plugin-config.ts';

export function pluginFiles(name: string): Readonly<Record<string, string>> {
  return {
    'README.md': readme(name),
    'index.js': index(name),
    [`${name}.test.js`]: test(name),
    'package.json': manifest(name),
  };
}

function readme(name: string): string {
  const metric = `sekisho_${name.replaceAll('-', '_')}_refused_total`;
  return `# ${name}

Answers REFUSED for one name and everything below it. (Say here what the plugin does, for whom, and why; write this first.)

## Options
| option | type | default | meaning |
|---|---|---|---|
| \`zone\` | text | \`${name}.invalid\` | The name that is refused, with all names below it. |

## Metrics
| name | meaning |
|---|---|
| \`${metric}\` | queries refused |

## API
| route | role | audit | meaning |
|---|---|---|---|
| \`POST /v1/${name}/pause\` | operator | \`${name}.pause\` | refuse nothing for \`minutes\` (1–60); \`reason\` is recorded |

## Example
\`\`\`yaml
plugins:
${DEFAULT_PLUGIN_LINES}  ${name}: { module: ./${name}, zone: internal.example }
\`\`\`

## Test
\`\`\`console
$ sekisho plugin test ${name}
\`\`\`
`;
}

function index(name: string): string {
  return `// The contract is explained in docs/plugins.md; everything that a plugin may use comes from 'sekisho/plugin'.
import { CONTINUE, changeBy, definePlugin, NameError, nameToText, REFUSE, textToName, z } from 'sekisho/plugin';

export default definePlugin({
  name: '${name}',
  // The version of the contract that this plugin was written for.
  contract: ${CONTRACT_VERSION},
  // guard | policy | answer | observe: where the hooks stand on a packet's way.
  stage: 'policy',
  summary: 'refuses one zone',
  options: z.strictObject({
    zone: z.string().default('${name}.invalid').describe('The name that is refused, with all names below it.'),
  }),

  // What the schema cannot say. Each problem names its option, so that the operator gets file, line and column.
  check({ zone }) {
    try {
      textToName(zone);
      return [];
    } catch (error) {
      if (error instanceof NameError) return [{ path: ['zone'], message: \`'\${zone}' \${error.message}\` }];
      throw error;
    }
  },

  // Runs once, in the main thread: it may wait, open files and use any library. What the hooks see of it, it publishes.
  control({ every, clock, audit, publish, routes }) {
    let pausedUntilMs = 0;
    routes((app) => {
      // POST /v1/${name}/pause: nothing is refused for some minutes. Whoever asks is in the audit log, with the reason.
      app.post(
        '/pause',
        {
          config: { roles: ['operator'], audit: { of: 'change', actions: ['${name}.pause'] } },
          schema: {
            summary: 'Refuse nothing for some minutes',
            body: z.strictObject({ minutes: z.int().min(1).max(60), reason: z.string().min(8).max(500) }),
          },
        },
        async ({ body: { minutes, reason }, identity }) => {
          audit.record(changeBy(identity, '${name}.pause', reason, '', { minutes }));
          pausedUntilMs = clock.nowMs() + 60_000 * minutes;
          await publish({ paused: true });
          return { minutes };
        },
      );
    });
    every(1000, () => {
      if (pausedUntilMs === 0 || clock.nowMs() < pausedUntilMs) return;
      pausedUntilMs = 0;
      void publish({ paused: false });
    });
  },

  // Runs once in every worker. The hooks run for each query: no promise, no allocation, no string.
  data({ options, counter, counters }) {
    const zone = textToName(options.zone);
    const refused = counter('refused', 'Queries refused.');
    let paused = false;
    return {
      // Between two packets: what \`control\` has published last.
      update(value) {
        paused = value.paused;
      },
      query(query) {
        if (paused || !isBelow(query.question, zone)) return CONTINUE;
        counters[refused] += 1;
        return REFUSE;
      },
      explain(query) {
        if (paused) return { verdict: CONTINUE, reason: 'paused by an operator' };
        return isBelow(query.question, zone)
          ? { verdict: REFUSE, reason: \`\${options.zone} and all below it is refused\` }
          : { verdict: CONTINUE, reason: \`\${nameToText(query.question.name)} is not below \${options.zone}\` };
      },
    };
  },
});

/** Wire format, in lower case: length, label, …, 0. The question's name ends with the zone's at a label's begin. */
function isBelow({ name, nameLength }, zone) {
  const start = nameLength - zone.length;
  if (start < 0) return false;
  let at = 0;
  while (at < start) at += name[at] + 1;
  if (at !== start) return false;
  for (let i = 0; i < zone.length; i++) if (name[start + i] !== zone[i]) return false;
  return true;
}
`;
}

function test(name: string): string {
  const metric = `sekisho_${name.replaceAll('-', '_')}_refused_total`;
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mount, mountBoth } from 'sekisho/testing';
import plugin from './index.js';

test('the zone and what is below it is refused', async () => {
  const mounted = mount(plugin, { zone: 'internal.example' });
  assert.equal((await mounted.ask({ name: 'internal.example' })).rcode, 'REFUSED');
  assert.equal((await mounted.ask({ name: 'WWW.Internal.example', type: 'AAAA' })).rcode, 'REFUSED');
  assert.equal(mounted.counter('${metric}'), 2);
});

test('every other name goes on, also one that only ends in the same letters', async () => {
  const mounted = mount(plugin, { zone: 'internal.example' });
  assert.equal((await mounted.ask({ name: 'notinternal.example' })).rcode, 'NOERROR');
  assert.equal((await mounted.ask({ name: 'example' })).rcode, 'NOERROR');
});

test('explain says the same', () => {
  const mounted = mount(plugin, { zone: 'internal.example' });
  assert.match(mounted.explain({ name: 'a.internal.example' }).reason, /refused/);
});

test('an operator pauses it for some minutes, which the audit log tells', async (t) => {
  const both = await mountBoth(plugin, { zone: 'internal.example' });
  t.after(() => both.close());
  const pause = { minutes: 5, reason: 'moving the internal zone' };
  assert.equal((await both.request('viewer', 'POST', '/v1/${name}/pause', pause)).status, 403);
  assert.equal((await both.request('operator', 'POST', '/v1/${name}/pause', pause)).status, 200);
  assert.equal(both.audited.at(-1).action, '${name}.pause');
  assert.equal((await both.ask({ name: 'internal.example' })).rcode, 'NOERROR');
  await both.advance(301_000);
  assert.equal((await both.ask({ name: 'internal.example' })).rcode, 'REFUSED');
});

test('a zone that is no name is an error about that option', () => {
  assert.throws(() => mount(plugin, { zone: 'a..b' }), /zone: 'a..b'/);
});
`;
}

function manifest(name: string): string {
  return `${JSON.stringify({ name: `sekisho-plugin-${name}`, version: '0.1.0', private: true, type: 'module', exports: './index.js' }, null, 2)}\n`;
}
