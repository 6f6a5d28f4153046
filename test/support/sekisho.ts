/** The server itself, as a user runs it: `node dist/src/main.js run --config F`. Build first. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { answers } from './ask.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, startProcess, temporaryFolder } from './process.ts';
import { repositoryRoot } from './root.ts';

/** A configuration as DESIGN.md gives it; sections that are left out get the defaults. */
export interface SekishoConfig {
  server?: Record<string, unknown>;
  upstream?: Record<string, unknown>;
  cache?: Record<string, unknown>;
  admin?: Record<string, unknown>;
  plugins?: Record<string, unknown>;
  /** `null`: no such section at all, so that the page listens at its default address if that is free. */
  notice?: Record<string, unknown> | null;
  [section: string]: unknown;
}

export interface SekishoServer extends RunningProcess {
  /** UDP and TCP port on 127.0.0.1, unless `config.server.listen` said otherwise. */
  readonly port: number;
  /** Port of the admin server on 127.0.0.1. */
  readonly adminPort: number;
  /** Port of the notice page and the portal on 127.0.0.1. */
  readonly noticePort: number;
  /** Folder that holds the configuration file and `data/`. */
  readonly folder: string;
  readonly configFile: string;
  /** The configuration it was started with. */
  readonly config: string;
}

export interface SekishoOptions {
  /** Compiled command line of another installation. */
  main?: string;
  config?: SekishoConfig;
  core?: number;
  /** Another Node.js than the one that runs the tests. */
  node?: string;
  /** Given to node ahead of the script, e.g. `--expose-gc`. */
  nodeArgs?: string[];
  env?: Record<string, string>;
  /** Ahead of node, e.g. `ip netns exec NAME`. */
  under?: readonly string[];
  /** How to see that it serves, where its network is not this process's. */
  ready?: () => Promise<boolean>;
  /** It is ready when it answers this name, as the forwarders that it is compared with; default: when `/readyz` says so. */
  probeName?: string;
  /** How long it may take to serve (default 60 s: a machine may be busy). */
  readyTimeoutMs?: number;
}

/** Path of the compiled command line. */
export function sekishoMain(): string {
  return join(repositoryRoot(), 'dist', 'src', 'main.js');
}

/** Start the built server on free ports and wait until `/readyz` says 200. */
export async function startSekisho(options: SekishoOptions = {}): Promise<SekishoServer> {
  const main = options.main ?? sekishoMain();
  if (!existsSync(main)) throw new Error('dist/src/main.js does not exist: run `npm run build` first');
  const folder = temporaryFolder('server');
  const port = await freePort();
  const adminPort = await freePort();
  const noticePort = await freePort();
  const given = options.config ?? {};
  const config = stringify({
    ...(({ notice: _, ...others }) => others)(given),
    server: {
      listen: [`127.0.0.1:${port}`],
      workers: 1,
      access: ['127.0.0.0/8', '::1/128'],
      data: join(folder, 'data'),
      ...given.server,
    },
    admin: { listen: `127.0.0.1:${adminPort}`, ...given.admin },
    ...(given.notice !== null && { notice: { listen: `127.0.0.1:${noticePort}`, ...given.notice } }),
  });
  const configFile = join(folder, 'sekisho.yaml');
  writeFileSync(configFile, config);
  const place: Place = { port, adminPort, noticePort, folder, configFile, config };
  return { ...(await run(place, options)), ...place };
}

/** Start it once more after its process ended: the same ports, data and configuration file, as that file is now. */
export async function startAgain(server: SekishoServer, options: SekishoOptions = {}): Promise<SekishoServer> {
  const { port, adminPort, noticePort, folder, configFile, config } = server;
  const place: Place = { port, adminPort, noticePort, folder, configFile, config };
  return { ...(await run(place, options)), ...place };
}

type Place = Omit<SekishoServer, keyof RunningProcess>;

function run({ port, adminPort, folder, configFile }: Place, options: SekishoOptions): Promise<RunningProcess> {
  const { probeName, main = sekishoMain(), node = process.execPath } = options;
  return startProcess({
    name: 'sekisho',
    command: options.under?.[0] ?? node,
    args: [
      ...(options.under === undefined ? [] : [...options.under.slice(1), node]),
      ...(options.nodeArgs ?? []),
      main,
      'run',
      '--config',
      configFile,
    ],
    cwd: folder,
    ...(options.core === undefined ? {} : { core: options.core }),
    ...(options.env === undefined ? {} : { env: options.env }),
    readyTimeoutMs: options.readyTimeoutMs ?? 120_000,
    ready:
      options.ready ??
      (probeName === undefined
        ? async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status === 200
        : () => answers(port, probeName)),
  });
}
