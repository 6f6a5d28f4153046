/**
 * Examples work: the commands of a plugin's section "Example" are run against a server with that section's configuration and files,
 * and what they print holds the lines that are shown, in their order. `…` stands for anything; numbers that differ from run
 * to run (ids, ports) are left out of the comparison.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { sekisho } from '../support/field.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoConfig, type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { missingIn, type Step, stepsOf } from '../support/snippets.ts';

vi.setConfig({ testTimeout: 180_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig']);
/** The port of the built-in configuration, at which the examples ask. */
const PORT = / -p 5353\b/;

interface Example {
  readonly config: SekishoConfig;
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly steps: readonly Step[];
}

const plugins = join(repositoryRoot(), 'plugins');
const examples = readdirSync(plugins, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({ name, example: exampleOf(readFileSync(join(plugins, name, 'README.md'), 'utf8')) }))
  .filter(({ example }) => example.steps.length > 0);

describe.skipIf(missing.size > 0).each(examples)('the example of plugins/$name/README.md', ({ example }) => {
  it('prints what it shows', async () => {
    const upstream = keep(await startScriptedUpstream(honest()));
    const server = keep(await start(example, upstream.port));
    for (const { command, shown } of example.steps) {
      const printed = await run(command, server);
      expect(missingIn(printed, shown), `$ ${command}\n${printed}`).toEqual([]);
    }
  });
});

it('examples are found', () => {
  expect(examples.map(({ name }) => name)).toEqual(expect.arrayContaining(['c2-block', 'whoami']));
});

/** The blocks of the section "Example": YAML, files by name, and those commands that are asked of the running server. */
function exampleOf(readme: string): Example {
  const section = /^## Example\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(readme)?.[1] ?? '';
  const blocks = [...section.matchAll(/```(\w+)(?: (\S+))?\n([\s\S]*?)```/g)].map(([, kind, name, text = '']) => ({
    kind,
    name,
    text,
  }));
  return {
    config: parse(blocks.find(({ kind }) => kind === 'yaml')?.text ?? '{}') as SekishoConfig,
    files: blocks.flatMap(({ name, text }) => (name === undefined ? [] : [{ name, text }])),
    steps: blocks
      .filter(({ kind }) => kind === 'console')
      .flatMap(({ text }) => stepsOf(text))
      .filter(({ command }) => /^(?:dig|sekisho) /.test(command)),
  };
}

async function start({ config, files }: Example, upstreamPort: number): Promise<SekishoServer> {
  let text = stringify(config);
  const folder = temporaryFolder('example');
  for (const file of files) {
    writeFileSync(join(folder, file.name), file.text);
    text = text.replaceAll(`./${file.name}`, join(folder, file.name));
  }
  const placed = parse(text) as SekishoConfig;
  return startSekisho({
    config: { ...placed, upstream: { servers: [`127.0.0.1:${upstreamPort}`] } },
    readyTimeoutMs: 40_000,
  });
}

async function run(command: string, server: SekishoServer): Promise<string> {
  const [program = '', ...words] = command.replace(PORT, ` -p ${server.port}`).split(/\s+/);
  if (program === 'sekisho') {
    const ran = await sekisho([...words, '--config', server.configFile], { limitMs: 30_000 });
    return ran.stdout + ran.stderr;
  }
  return (await promisify(execFile)(requireProgram('dig'), words)).stdout;
}
