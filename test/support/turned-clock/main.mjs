/**
 * The program, as src/main.ts, by a clock that a test turns (turned-server.ts). It listens for the test at CLOCK_PORT of 127.0.0.1:
 * `POST /` with {"onMs": …, "speed": …, "stepWallMs": …}, each optional, answers {"nowMs": …, "wallMs": …, "speed": …}.
 */
import { createServer } from 'node:http';
import { main } from '../../../dist/src/cli/cli.js';
import { processTerminal } from '../../../dist/src/commands/terminal.js';
import { TurnedClock, turnedClockMemory } from '../../../dist/src/time/turned-clock.js';

const turnedClock = turnedClockMemory();
const clock = new TurnedClock(turnedClock);
const { CLOCK_PORT, CLOCK_ON_MS = '0', CLOCK_SPEED = '1' } = process.env;
clock.turn({ onMs: Number(CLOCK_ON_MS), speed: Number(CLOCK_SPEED) });

const asked = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { stepWallMs = 0, ...turn } = JSON.parse(Buffer.concat(parts).toString() || '{}');
  clock.turn(turn);
  if (stepWallMs !== 0) clock.stepWall(stepWallMs);
  const { speed } = clock;
  response.end(JSON.stringify({ nowMs: clock.nowMs(), wallMs: clock.wallMs(), speed }));
});
asked.listen(Number(CLOCK_PORT), '127.0.0.1').unref();
process.exitCode = await main(process.argv.slice(2), processTerminal(), { turnedClock });
setTimeout(() => process.exit(), 500).unref();
