/** The built server, whole, by a clock that the test turns: hours pass as fast as the test wants, in every thread. */
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { repositoryRoot } from './root.ts';
import { type SekishoOptions, type SekishoServer, startAgain, startSekisho } from './sekisho.ts';

export interface Turn {
  /** Put the clock on by so many milliseconds. */
  readonly onMs?: number;
  /** From now on it goes so many times as fast as the system's. */
  readonly speed?: number;
  /** The wall clock alone is set, as by NTP. */
  readonly stepWallMs?: number;
}

export interface TurnedServer extends SekishoServer {
  readonly clockPort: number;
  /** Turn its clock, and read it. */
  turn(how?: Turn): Promise<{ readonly nowMs: number; readonly wallMs: number; readonly speed: number }>;
}

const main = join(repositoryRoot(), 'test', 'support', 'turned-clock', 'main.mjs');

/** As `startSekisho`. `begin`: how its clock stands when it starts. */
export async function startTurned(options: SekishoOptions = {}, begin: Turn = {}): Promise<TurnedServer> {
  const clockPort = await freePort();
  return turned(await startSekisho({ ...options, main, env: environment(clockPort, options, begin) }), clockPort);
}

/** As `startAgain`. `begin.onMs`: ahead of the system's clock, also of what it was put on before it ended. */
export async function startTurnedAgain(
  server: TurnedServer,
  options: SekishoOptions = {},
  begin: Turn = {},
): Promise<TurnedServer> {
  const { clockPort } = server;
  return turned(await startAgain(server, { ...options, main, env: environment(clockPort, options, begin) }), clockPort);
}

function environment(
  clockPort: number,
  { env }: SekishoOptions,
  { onMs = 0, speed = 1 }: Turn,
): Record<string, string> {
  return { ...env, CLOCK_PORT: String(clockPort), CLOCK_ON_MS: String(onMs), CLOCK_SPEED: String(speed) };
}

function turned(server: SekishoServer, clockPort: number): TurnedServer {
  return {
    ...server,
    clockPort,
    turn: async (how = {}) => {
      const response = await fetch(`http://127.0.0.1:${clockPort}/`, { method: 'POST', body: JSON.stringify(how) });
      return (await response.json()) as { nowMs: number; wallMs: number; speed: number };
    },
  };
}
