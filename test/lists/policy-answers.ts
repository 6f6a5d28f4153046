/** Questions to a server with policy zones, and its answers in short, so that two servers can be compared. */
import type { Answer } from 'dns-packet';
import { rcodeName } from '../../src/wire/constants.ts';
import { askTcp, askUdp } from '../support/dns-client.ts';

export interface Asked {
  readonly name: string;
  readonly type: string;
  readonly client: string;
  readonly transport: 'udp' | 'tcp';
}

/** How long a server is waited for; what has not come then counts as dropped. */
const DROPPED_MS = 1_000;
const IN_PARALLEL = 48;

export const text = ({ name, type, client, transport }: Asked): string => `${name} ${type} ${client} ${transport}`;

export function inShort(rcode: string, truncated: boolean, answers: readonly Answer[]): string {
  if (truncated) return 'truncated';
  const data = answers.map((one) => ('data' in one ? `${one.type} ${String(one.data)}` : one.type)).sort();
  return [rcode, ...data].join(', ');
}

export async function answerFrom(port: number, { name, type, client, transport }: Asked): Promise<string> {
  const where = { port, from: client, timeoutMs: DROPPED_MS };
  const send = transport === 'udp' ? askUdp : askTcp;
  try {
    const reply = await send({ name, type, udpSize: 1232 }, where);
    return inShort(rcodeName(reply.rcode), reply.tc, reply.answers);
  } catch {
    return 'dropped';
  }
}

/** The answers to all of them, by `text`. */
export async function answersFrom(port: number, questions: readonly Asked[]): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const askAll = async (some: readonly Asked[]): Promise<void> => {
    for (let at = 0; at < some.length; at += IN_PARALLEL) {
      const together = some.slice(at, at + IN_PARALLEL);
      await Promise.all(together.map(async (asked) => answers.set(text(asked), await answerFrom(port, asked))));
    }
  };
  await askAll(questions);
  // On a busy machine an answer may be late: only what is missing again was dropped.
  for (let times = 0; times < 2; times++)
    await askAll(questions.filter((asked) => answers.get(text(asked)) === 'dropped'));
  return answers;
}
