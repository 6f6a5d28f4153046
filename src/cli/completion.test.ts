import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from './cli.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekisho-completion-'));
  await mkdir(join(folder, 'conf.d'));
  await writeFile(join(folder, 'conf.yaml'), '');
});
afterAll(() => rm(folder, { recursive: true }));

/** What the Tab key offers behind `line`. */
async function offered(line: string): Promise<string[]> {
  const words = line.split(' ').slice(1);
  let text = '';
  const { log } = console;
  console.log = (each: string) => {
    text += `${each}\n`;
  };
  try {
    await main(
      ['complete', '--', ...words],
      terminal(() => {}),
    );
  } finally {
    console.log = log;
  }
  const lines = text.trimEnd().split('\n');
  // The last line tells the shell that these are all there are.
  expect(lines.pop()).toBe(':4');
  return lines.map((each) => each.split('\t')[0] ?? '');
}

function terminal(out: (text: string) => void) {
  return { out, err: out, env: {}, workFolder: folder, isTerminal: false };
}

describe('completion', () => {
  it.each([
    ['sekisho s', ['status', 'share', 'sinkhole']],
    ['sekisho lists ', ['status', 'held', 'reload', 'rollback']],
    ['sekisho lists rel', ['reload']],
    ['sekisho sinkhole re', ['renew', 'remove']],
    ['sekisho lists reload feed --over', ['--override']],
    ['sekisho lists status --over', []],
    ['sekisho explain a.example --cl', ['--client']],
    ['sekisho export ip53b --format ', ['nftables', 'iptables', 'junos', 'ios-xr']],
    ['sekisho export ip53b --format i', ['iptables', 'ios-xr']],
    ['sekisho consent opt-in 4711 --purpose ', ['c2', 'malware-warning']],
    ['sekisho completion ', ['bash', 'zsh', 'fish', 'powershell']],
    ['sekisho status --', ['--json', '--config']],
  ])('offers behind %j what may stand there', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });

  it('offers files behind --config', async () => {
    expect(await offered(`sekisho status --config ${folder}/con`)).toEqual([
      `${folder}/conf.d/`,
      `${folder}/conf.yaml`,
    ]);
    expect(await offered(`sekisho consent import ${folder}/conf.y`)).toEqual([`${folder}/conf.yaml`]);
    expect(await offered('sekisho status --config /no/such/folder/')).toEqual([]);
  });

  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
    let text = '';
    const exitCode = await main(
      ['completion', shell],
      terminal((each) => {
        text += each;
      }),
    );
    expect(exitCode).toBe(0);
    expect(text).toMatch(/sekisho[ '"]+complete/i);
    let json = '';
    await main(
      ['completion', shell, '--json'],
      terminal((each) => {
        json += each;
      }),
    );
    expect(JSON.parse(json)).toEqual({ shell, script: text });
  });
});
