import { describe, expect, test } from 'vitest';
import type { DataContext, Ticket } from '../contract/plugin.ts';
import {
  ANSWER,
  CONTINUE,
  DEFER,
  DROP,
  definePlugin,
  FAIL,
  type Hooks,
  REFUSE,
  RESOLVED_ANSWER,
  RESOLVED_FAILURE,
  RESOLVED_NXDOMAIN,
  RESOLVED_TIMEOUT,
  type Stage,
  TRUNCATE,
  type Verdict,
  z,
} from '../contract/plugin.ts';
import { mount } from '../testing/testing.ts';
import { EDE, RCODE, TYPE } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';
import { DROP_SHORT } from '../wire/query.ts';
import { ANSWER as ANSWER_SECTION, addRecord, beginReply } from '../wire/writer.ts';

function pluginWith(hooks: Hooks | ((context: DataContext<unknown>) => Hooks), stage: Stage = 'policy') {
  return definePlugin({
    name: 'probe',
    stage,
    summary: 'does what a test needs',
    options: z.strictObject({}),
    data: (context) => (typeof hooks === 'function' ? hooks(context) : hooks),
  });
}

const returning = (verdict: number): Hooks => ({ query: () => verdict as Verdict });

describe('a verdict of a query hook', () => {
  test.each([
    ['CONTINUE', CONTINUE, { rcode: 'NOERROR', truncated: false }],
    ['REFUSE', REFUSE, { rcode: 'REFUSED', ede: EDE.PROHIBITED }],
    ['FAIL', FAIL, { rcode: 'SERVFAIL' }],
    ['TRUNCATE', TRUNCATE, { rcode: 'NOERROR', truncated: true, answers: [] }],
    ['DROP', DROP, { sent: false }],
  ])('%s', async (_name, verdict, expected) => {
    expect(await mount(pluginWith(returning(verdict)), {}).ask({ name: 'a.example' })).toMatchObject(expected);
  });

  test('TRUNCATE over TCP goes on: the client has come back already', async () => {
    const reply = await mount(pluginWith(returning(TRUNCATE)), {}).ask({ name: 'a.example', transport: 'tcp' });
    expect(reply).toMatchObject({ rcode: 'NOERROR', truncated: false, answers: [{ data: '192.0.2.99' }] });
  });

  test('is counted by plugin and verdict', async () => {
    const mounted = mount(pluginWith(returning(REFUSE)), {});
    await mounted.ask({ name: 'a.example' });
    await mounted.ask({ name: 'b.example' });
    expect(mounted.counter('sekisho_plugin_verdicts_total', { plugin: 'probe', verdict: 'refuse' })).toBe(2);
    expect(mounted.counter('sekisho_responses_total', { rcode: 'REFUSED' })).toBe(2);
  });
});

describe('a miss hook', () => {
  const seen = () => {
    const log: string[] = [];
    const resolved: Hooks['resolved'] = (_question, outcome, elapsedMs, sent, background) =>
      void log.push(`resolved ${outcome} ${elapsedMs} ${sent} ${background}`);
    return { log, resolved };
  };

  test('is asked where the cache has nothing, and told what became of it', async () => {
    const { log, resolved } = seen();
    const miss = (): Verdict => {
      log.push('miss');
      return CONTINUE;
    };
    const says = { 'a.example': 'nxdomain', 'b.example': 'timeout', 'c.example': 'servfail' } as const;
    const address = { name: 'd.example', type: 'A', ttl: 60, data: '192.0.2.1' } as const;
    const upstream = (name: string) => says[name as keyof typeof says] ?? [address];
    const mounted = mount(pluginWith({ miss, resolved }), {}, { upstream });
    for (const name of ['a.example', 'b.example', 'c.example', 'd.example', 'd.example']) await mounted.ask({ name });
    const outcomes = [RESOLVED_NXDOMAIN, RESOLVED_TIMEOUT, RESOLVED_FAILURE, RESOLVED_ANSWER];
    expect(log).toEqual(outcomes.flatMap((outcome) => ['miss', `resolved ${outcome} 0 1 false`]));
  });

  test('FAIL is SERVFAIL with its extended error, or what is stale', async () => {
    let refusing = false;
    const miss = (query: Query): Verdict => {
      if (!refusing) return CONTINUE;
      query.ede = EDE.NETWORK_ERROR;
      return FAIL;
    };
    const mounted = mount(pluginWith({ miss }), {});
    await mounted.ask({ name: 'held.example' });
    refusing = true;
    expect(await mounted.ask({ name: 'new.example' })).toMatchObject({ rcode: 'SERVFAIL', ede: EDE.NETWORK_ERROR });
    expect(await mounted.ask({ name: 'held.example' })).toMatchObject({ rcode: 'NOERROR', ede: EDE.NONE });
    mounted.advance(400_000);
    expect(await mounted.ask({ name: 'held.example' })).toMatchObject({ rcode: 'NOERROR', ede: EDE.STALE_ANSWER });
  });

  test('cannot defer, and a hook that throws when it is told costs nobody an answer', async () => {
    const deferring = mount(pluginWith({ miss: () => DEFER }), {});
    expect((await deferring.ask({ name: 'a.example' })).rcode).toBe('SERVFAIL');
    const throwing = () => {
      throw new Error('broken');
    };
    const mounted = mount(pluginWith({ resolved: throwing }), {});
    expect((await mounted.ask({ name: 'a.example' })).answers).toHaveLength(1);
    expect(mounted.counter('sekisho_plugin_faults_total')).toBe(1);
  });
});

describe('a faulty hook costs its query alone', () => {
  test('one that throws while a batch is foreseen costs nobody an answer', async () => {
    const throwing = () => {
      throw new Error('boom');
    };
    const mounted = mount(pluginWith({ foresee: throwing, fetch: throwing }), {});
    expect((await mounted.ask({ name: 'a.example' })).answers).toHaveLength(1);
    expect(mounted.counter('sekisho_plugin_faults_total', { plugin: 'probe' })).toBe(2);
  });

  test.each<[string, Hooks]>([
    [
      'throws in query',
      {
        query: () => {
          throw new Error('boom');
        },
      },
    ],
    [
      'throws in answer',
      {
        answer: () => {
          throw new Error('boom');
        },
      },
    ],
    [
      'throws in observe',
      {
        observe: () => {
          throw new Error('boom');
        },
      },
    ],
    ['returns undefined', { query: () => undefined as unknown as Verdict }],
    ['returns a number that is no verdict', { query: () => 42 as Verdict }],
    ['defers in an answer hook', { answer: () => DEFER }],
  ])('%s: SERVFAIL, and counted', async (_what, hooks) => {
    const mounted = mount(pluginWith(hooks), {});
    expect(await mounted.ask({ name: 'a.example' })).toMatchObject({ sent: true, rcode: 'SERVFAIL' });
    expect(mounted.counter('sekisho_plugin_faults_total', { plugin: 'probe' })).toBe(1);
  });

  test('a packet hook that throws on a message too short to answer drops it', async () => {
    const mounted = mount(
      pluginWith(
        {
          packet: () => {
            throw new Error('boom');
          },
        },
        'guard',
      ),
      {},
    );
    expect(await mounted.ask({ name: 'x', bytes: Uint8Array.of(1, 2, 3) })).toMatchObject({ sent: false });
    expect(mounted.counter('sekisho_drops_total', { reason: 'fault' })).toBe(1);
  });

  test.each(['packet', 'query', 'answer', 'observe'] as const)('an async %s hook is refused at set-up', (hook) => {
    const hooks = { [hook]: async () => CONTINUE } as unknown as Hooks;
    expect(() => mount(pluginWith(hooks, 'guard'), {})).toThrow(/async/);
  });
});

describe('hooks and what they see', () => {
  test('a packet hook decides before anything is parsed; the answer still echoes the question', async () => {
    const seen: number[] = [];
    const hooks: Hooks = {
      packet: (query) => {
        seen.push(query.question.nameLength);
        return REFUSE;
      },
    };
    const reply = await mount(pluginWith(hooks, 'guard'), {}).ask({ name: 'a.example' });
    expect(seen).toEqual([0]);
    expect(reply).toMatchObject({ rcode: 'REFUSED' });
    expect(Buffer.from(reply.bytes).toString('latin1')).toContain('example');
  });

  test('whoever is refused before parsing is not told that the question is broken', async () => {
    const mounted = mount(pluginWith({ packet: () => REFUSE }, 'guard'), {});
    const broken = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63]);
    expect(await mounted.ask({ name: 'x', bytes: broken })).toMatchObject({ sent: false });
    expect(mounted.counter('sekisho_drops_total', { reason: 'outsider-malformed' })).toBe(1);
  });

  test('a packet hook of a plugin that is no guard does not run', async () => {
    const reply = await mount(pluginWith({ packet: () => DROP }, 'policy'), {}).ask({ name: 'a.example' });
    expect(reply.rcode).toBe('NOERROR');
  });

  test('an answer hook sees replies from the upstream, from the cache and of the server itself', async () => {
    const rcodes: number[] = [];
    const mounted = mount(
      pluginWith({
        answer: (query) => {
          rcodes.push(query.rcode);
          return CONTINUE;
        },
      }),
      {},
    );
    await mounted.ask({ name: 'a.example' });
    await mounted.ask({ name: 'a.example' });
    await mounted.ask({ name: 'a.example', type: 'AXFR' });
    expect(rcodes).toEqual([RCODE.NOERROR, RCODE.NOERROR, RCODE.REFUSED]);
  });

  test('an answer hook may replace the reply', async () => {
    const hooks: Hooks = {
      answer: (query) => {
        beginReply(query, RCODE.NXDOMAIN);
        query.ede = EDE.BLOCKED;
        return ANSWER;
      },
    };
    expect(await mount(pluginWith(hooks), {}).ask({ name: 'a.example' })).toMatchObject({
      rcode: 'NXDOMAIN',
      ede: EDE.BLOCKED,
      answers: [],
    });
  });

  test('observers see each packet once: unreadable ones, and those on which a hook failed, too', async () => {
    const seen: string[] = [];
    const mounted = mount(
      pluginWith({
        query: (query) => {
          if (query.question.labelCount === 1) throw new Error('boom');
          return CONTINUE;
        },
        observe: (query) => {
          seen.push(
            `${query.question.nameLength} ${query.replyLength > 0 ? query.rcode : `dropped ${query.dropReason}`}`,
          );
        },
      }),
      {},
    );
    await mounted.ask({ name: 'x', bytes: Uint8Array.of(1, 2, 3) });
    await mounted.ask({ name: 'x', bytes: Uint8Array.of(0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1) });
    await mounted.ask({ name: 'single' });
    await mounted.ask({ name: 'a.example' });
    expect(seen).toEqual([
      `0 dropped ${DROP_SHORT}`,
      `0 ${RCODE.FORMERR}`,
      `8 ${RCODE.SERVFAIL}`,
      `11 ${RCODE.NOERROR}`,
    ]);
  });

  test('an observer that throws is not asked again about the same packet', async () => {
    let asked = 0;
    const mounted = mount(
      pluginWith({
        observe: () => {
          asked++;
          throw new Error('boom');
        },
      }),
      {},
    );
    await mounted.ask({ name: 'a.example' });
    expect(asked).toBe(1);
  });

  test('observers see answered and dropped queries alike', async () => {
    const seen: string[] = [];
    const mounted = mount(
      pluginWith({
        observe: (query) => {
          seen.push(query.dropReason >= 0 ? 'dropped' : `rcode ${query.rcode}`);
        },
      }),
      {},
    );
    await mounted.ask({ name: 'a.example' });
    await mounted.ask({ name: 'x', bytes: Uint8Array.from([0, 1, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0]) });
    expect(seen).toEqual(['rcode 0', 'dropped']);
  });
});

describe('a deferred query', () => {
  function deferring(deadlineMs: number) {
    const tickets: Ticket[] = [];
    let context: DataContext<unknown> | undefined;
    let times = 0;
    const plugin = pluginWith((given) => {
      context = given;
      return {
        query: (query) => {
          times++;
          const ticket = given.defer(query, deadlineMs);
          if (!ticket) return FAIL;
          tickets.push(ticket);
          return DEFER;
        },
      };
    });
    return {
      plugin,
      tickets,
      resume: (...args: Parameters<DataContext<unknown>['resume']>) => context!.resume(...args),
      times: () => times,
    };
  }

  test('goes on where it stopped, once', async () => {
    const { plugin, tickets, resume, times } = deferring(1000);
    const mounted = mount(plugin, {});
    const reply = mounted.ask({ name: 'WAIT.example' });
    expect(resume(tickets[0]!, CONTINUE)).toBe(true);
    expect(await reply).toMatchObject({ rcode: 'NOERROR', answers: [{ name: 'WAIT.example', data: '192.0.2.99' }] });
    expect(times()).toBe(1);
    expect(resume(tickets[0]!, CONTINUE)).toBe(false);
  });

  test('may be answered by the plugin later', async () => {
    const { plugin, tickets, resume } = deferring(1000);
    const reply = mount(plugin, {}).ask({ name: 'wait.example', transport: 'tcp' });
    resume(tickets[0]!, ANSWER, (query) => {
      beginReply(query, RCODE.NOERROR);
      addRecord(query, ANSWER_SECTION, TYPE.A, 5, Uint8Array.of(192, 0, 2, 7));
    });
    expect((await reply).answers).toMatchObject([{ data: '192.0.2.7', ttl: 5 }]);
  });

  test('fails when its deadline passes, and its ticket is worth nothing then', async () => {
    const { plugin, tickets, resume } = deferring(200);
    const mounted = mount(plugin, {});
    const reply = mounted.ask({ name: 'wait.example' });
    mounted.advance(199);
    mounted.advance(1);
    expect(await reply).toMatchObject({ rcode: 'SERVFAIL' });
    expect(resume(tickets[0]!, ANSWER)).toBe(false);
  });

  test('is refused where too many wait', async () => {
    const { plugin, tickets, resume } = deferring(10_000);
    const mounted = mount(plugin, {});
    for (let i = 0; i < 64; i++) void mounted.ask({ name: 'wait.example' });
    expect(await mounted.ask({ name: 'wait.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    expect(tickets).toHaveLength(64);
    for (const ticket of tickets) resume(ticket, DROP);
  });

  test('a hook that throws in write answers SERVFAIL', async () => {
    const { plugin, tickets, resume } = deferring(1000);
    const reply = mount(plugin, {}).ask({ name: 'wait.example' });
    resume(tickets[0]!, ANSWER, () => {
      throw new Error('boom');
    });
    expect(await reply).toMatchObject({ rcode: 'SERVFAIL' });
  });
});

describe('what no plugin decides', () => {
  const idle = pluginWith({});
  test.each([
    [
      'ANY gets the minimal answer',
      { type: 'ANY' },
      { rcode: 'NOERROR', answers: [{ type: 'HINFO', data: { cpu: 'RFC8482', os: '' } }] },
    ],
    ['AXFR is refused', { type: 'AXFR' }, { rcode: 'REFUSED', ede: EDE.NOT_SUPPORTED }],
    ['IXFR is refused', { type: 'IXFR' }, { rcode: 'REFUSED' }],
  ])('%s', async (_what, ask, expected) => {
    expect(await mount(idle, {}).ask({ name: 'a.example', ...ask })).toMatchObject(expected);
  });

  const raw = (flags: number, type: number, qclass: number) => {
    const question = [1, 97, 0, type >> 8, type & 255, qclass >> 8, qclass & 255];
    return { name: 'a', bytes: Uint8Array.from([0, 9, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, 0, ...question]) };
  };
  test.each([
    ['RD not set', raw(0, 1, 1), { rcode: 'REFUSED', ede: EDE.NOT_AUTHORITATIVE }],
    ['class CH', raw(0x100, 16, 3), { rcode: 'REFUSED' }],
    ['class HS', raw(0x100, 1, 4), { rcode: 'REFUSED' }],
    ['class ANY', raw(0x100, 1, 255), { rcode: 'FORMERR' }],
    ['class NONE', raw(0x100, 1, 254), { rcode: 'FORMERR' }],
    ['class 2', raw(0x100, 1, 2), { rcode: 'NOTIMP' }],
    ['type 128', raw(0x100, 128, 1), { rcode: 'FORMERR' }],
    ['type OPT', raw(0x100, 41, 1), { rcode: 'FORMERR' }],
    ['type MAILB', raw(0x100, 253, 1), { rcode: 'NOTIMP' }],
    ['opcode STATUS', raw(0x1000, 1, 1), { rcode: 'NOTIMP' }],
  ])('%s', async (_what, ask, expected) => {
    expect(await mount(idle, {}).ask(ask)).toMatchObject(expected);
  });

  test('source port 0 is dropped: nothing can be sent there', async () => {
    const mounted = mount(idle, {});
    expect(await mounted.ask({ name: 'a.example', port: 0 })).toMatchObject({ sent: false });
    expect(mounted.counter('sekisho_drops_total', { reason: 'port-zero' })).toBe(1);
  });

  test('the second question is answered from the cache, its TTL counted down', async () => {
    const mounted = mount(idle, {});
    expect((await mounted.ask({ name: 'a.example' })).answers).toMatchObject([{ ttl: 300 }]);
    mounted.clock.advance(10_000);
    expect((await mounted.ask({ name: 'A.example' })).answers).toMatchObject([{ name: 'A.example', ttl: 290 }]);
    expect(mounted.counter('sekisho_cache_lookups_total', { result: 'hit' })).toBe(1);
  });

  test('a popular name is fetched again once, in the last tenth of its life; one asked once is not', async () => {
    const mounted = mount(idle, {});
    for (const name of ['popular.example', 'lonely.example']) await mounted.ask({ name });
    for (let i = 0; i < 3; i++) await mounted.ask({ name: 'popular.example' });
    mounted.clock.advance(260_000);
    await mounted.ask({ name: 'popular.example' });
    expect(mounted.refreshed).toEqual([]);
    mounted.clock.advance(15_000);
    for (let i = 0; i < 3; i++) await mounted.ask({ name: 'popular.example' });
    await mounted.ask({ name: 'lonely.example' });
    expect(mounted.refreshed).toEqual(['popular.example']);
  });
});
