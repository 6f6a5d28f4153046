/**
 * `npm run demo`: an ISP in a box, on loopback alone. Everything is real but the subscribers: authorities, RADIUS, the server as
 * it is shipped, its console. Ends with `quit`, Ctrl-C or its time, and leaves nothing behind.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startIsp } from './isp.ts';
import { takePictures } from './pictures.ts';
import { SCENES, type Scene } from './scenes.ts';
import { everyday, MOST_PER_SECOND, Traffic } from './traffic.ts';

const HELP = `npm run demo -- [options]: an ISP in a box, to see Sekisho work

Starts on loopback alone, as the user that you are: two authorities (NSD where it is installed), the server with
its console, 60 subscribers told by RADIUS, and everyday traffic. Type the number or the name of a scene, and
watch it in the console; ? lists the scenes, quit ends. Nothing is left behind.

  --minutes N     ends by itself after N minutes (1–240, default 60)
  --rate N        everyday queries a second (1–500, default 120)
  --scene NAME    plays one scene at once; may be given several times, played one after the other
  --then-quit     ends after those scenes
  --pictures DIR  takes the pictures of README and docs with Debian's Chromium, and ends
  --help          this

At most ${MOST_PER_SECOND} queries a second are sent, whatever the scenes add up to.

Scenes
${SCENES.map(({ name, title }, i) => `  ${i + 1}  ${name.padEnd(18)} ${title}`).join('\n')}
`;

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\nTry: npm run demo -- --help`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const say = (line: string) => console.log(line);
  say('Starting an ISP on loopback …');
  const isp = await startIsp(say);
  const traffic = await Traffic.start(isp.server.port);
  traffic.flow(options.rate, everyday);

  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const pass = (seconds: number) =>
    Promise.race([new Promise<void>((resolve) => void setTimeout(resolve, seconds * 1000).unref()), stopped]);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const clock = setTimeout(() => {
    say(`\n${options.minutes} minutes are over.`);
    stop();
  }, options.minutes * 60_000);
  void isp.server.ended.then(stop);
  let over = false;
  void stopped.then(() => {
    over = true;
  });

  const playing = new Set<string>();
  const play = async (scene: Scene): Promise<void> => {
    if (playing.has(scene.name)) return say(`${scene.name} plays already.`);
    playing.add(scene.name);
    say(`\n▶ ${scene.title} (${scene.seconds} s)`);
    for (const line of scene.watch) say(`  · ${line.replaceAll('PORT', String(isp.server.port))}`);
    try {
      await scene.run({ isp, traffic, say, pass });
      if (!over) say(`■ ${scene.name} is over.`);
    } catch (error) {
      // What was under way when it stopped has nothing to talk to any more.
      if (!over) say(`■ ${scene.name} failed: ${(error as Error).message}`);
    } finally {
      playing.delete(scene.name);
    }
  };
  try {
    if (options.pictures !== undefined) {
      await takePictures({ isp, traffic, say, pass }, options.pictures);
      return 0;
    }
    say(`everyday      ${options.rate} queries a second\n`);
    say(`Console       ${isp.url}/console/`);
    say(`Token         ${isp.tokens.admin}   (every role)`);
    say('Desks         viewer, operator, security, privacy, each with a token of its own:');
    for (const role of ['viewer', 'operator', 'security', 'privacy'] as const)
      say(`              ${role.padEnd(10)} ${isp.tokens[role]}`);
    say(`Command line  npx sekisho status --config ${isp.server.configFile}\n`);
    if (options.scenes.length > 0) {
      for (const scene of options.scenes) await Promise.race([play(scene), stopped]);
      if (options.thenQuit) return 0;
    }
    say('Type a number or a name; ? for the scenes, quit to end.');
    const lines = createInterface({ input: process.stdin, terminal: false });
    lines.on('line', (text) => {
      const word = text.trim();
      if (word === '' || word === '?')
        return say(SCENES.map(({ name, title }, i) => `  ${i + 1}  ${name.padEnd(18)} ${title}`).join('\n'));
      if (/^(q|quit|exit|stop)$/.test(word)) return stop();
      const scene = SCENES.find(({ name }, i) => name === word || String(i + 1) === word);
      if (scene) void play(scene);
      else say(`There is no scene ${JSON.stringify(word)}; ? lists them.`);
    });
    await stopped;
    lines.close();
    return 0;
  } finally {
    clearTimeout(clock);
    stop();
    say('\nStopping …');
    traffic.stop();
    await isp.stop();
    say('Stopped; nothing is left behind.');
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string', default: '120' },
      scene: { type: 'string', multiple: true, default: [] },
      'then-quit': { type: 'boolean', default: false },
      pictures: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const scenes = values.scene.map((word) => {
    const scene = SCENES.find(({ name }) => name === word);
    if (!scene)
      throw new Error(
        `--scene ${word}: there is no such scene; there are ${SCENES.map(({ name }) => name).join(', ')}`,
      );
    return scene;
  });
  return {
    minutes: within('--minutes', values.minutes, 1, 240),
    rate: within('--rate', values.rate, 1, 500),
    scenes,
    thenQuit: values['then-quit'],
    pictures: values.pictures,
    help: values.help,
  };
}

function within(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} ${text}: a whole number from ${least} to ${most}`);
  return value;
}

process.exit(
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }),
);
