/** A rule is judged by what it matches, on the real server: what is offered, what is withdrawn, and what the log says of overloads. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import type { DiagnosisReport } from '../../plugins/query-history/report-shapes.ts';
import type { MeasuresView } from '../../src/rules/rule-view.ts';
import { askUdp } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { logOf, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { answerTo, honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
const REASON = 'load tripled, ticket 4711';
const WAIT_MS = 120_000;
let upstream: ScriptedUpstream;
let server: SekishoServer;
let looping = true;

/** Puts in force what a diagnosis would no longer offer. */
const PROPOSER = `
  control({ measures, routes }) {
    routes((app) => app.post('/apply', { config: { roles: ['operator'], audit: { of: 'change', actions: ['measure.apply'] } } },
      async ({ body }) => ({ id: (await measures.apply(body.proposal, body.statement, 'proposer', 'operator')).rule.id })));
  },`;

async function call<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }> {
  const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}
const measures = async () => (await call<MeasuresView>('GET', 'measures?reason=to%20see%20what%20acts')).body.measures;

/** Twelve clients that ask again for what fails; the failures are answered from memory (RFC 9520). */
async function loop(): Promise<void> {
  let i = 0;
  const ask = async (client: number) => {
    while (looping) {
      const name = `n${i++ % 5}.broken.test`;
      await askUdp({ name }, { port: server.port, from: `127.0.0.${client + 2}`, timeoutMs: 2000 }).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: 12 }, (_, client) => ask(client)));
}

beforeAll(async () => {
  upstream = keep(
    await startScriptedUpstream((query) => {
      if (query.name.endsWith('broken.test')) query.send(answerTo(query, { rcode: 2 }));
      else honest()(query);
    }),
  );
  server = keep(
    await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        plugins: {
          access: {},
          'random-subdomain': {},
          'amp-shaper': {},
          'query-history': {},
          proposer: { module: writePlugin('proposer', '', { parts: PROPOSER }) },
        },
      },
    }),
  );
  const looped = loop();
  keep({
    stop: async () => {
      looping = false;
      await looped;
      return 0;
    },
  });
});

it('offers no limit on misses against what is answered from memory', async () => {
  const report = await waitFor(
    'a diagnosis of the loop',
    async () => {
      const request = { reason: REASON, windowSeconds: 20 };
      const { status, body } = await call<DiagnosisReport>('POST', 'query-history/diagnose', request);
      return status === 200 && body.incidents.some(({ cause }) => cause.about.includes('broken.test'))
        ? body
        : undefined;
    },
    WAIT_MS,
  );
  expect(report.proposals.filter(({ plugin }) => plugin === 'random-subdomain')).toEqual([]);
  for (const { trial } of report.proposals) expect(trial.limitedPerSecond).toBeGreaterThan(0);
});

it('withdraws a rule that matches nothing of what it is for, and says so', async () => {
  const applied = await call<{ id: string }>('POST', 'proposer/apply', {
    proposal: {
      plugin: 'random-subdomain',
      match: { pattern: '*.broken.test' },
      limitPerSecond: 5,
      limitRationale: 'half again the normal',
      escalation: false,
      normalPerSecond: 0,
      startPerSecond: 400,
      removes: 0.97,
      hits: 0,
      diagnosis: 'd1',
      cause: 'failing-authority',
    },
    statement: {
      ground: {
        kind: 'self-defence',
        effect: 'floods the resolvers of the north',
        evidence: 'a loop answered from memory',
        approver: 'shift lead',
        expires: '2h',
      },
      dryRun: false,
      escalate: '',
    },
  });
  expect(applied.status).toBe(200);
  const measure = await waitFor(
    'it to be withdrawn',
    async () => (await measures()).find(({ id, state }) => id === applied.body.id && state === 'lifted'),
    WAIT_MS,
  );
  expect(measure.endedWhy).toMatch(/matched \d+ queries in its first 25 s, where 10000 were expected: withdrawn/);
  await waitFor(
    'the line in the log',
    () => logOf(server).some(({ msg, why }) => msg === 'measure lifted' && /withdrawn/.test(String(why))),
    WAIT_MS,
  );
});

it('keeps each declaration with its person, reason and begin, and calls the history closed only when it is', async () => {
  const cli = (...args: string[]) => sekisho([...args, '--config', server.configFile], { limitMs: 60_000 });
  expect((await call('POST', 'query-history/overload', { reason: 'customer 12 calls, ticket 4712' })).status).toBe(200);
  const { body: state } = await call<{ overloads: { by: string; who: string; reason: string; since: string }[] }>(
    'GET',
    'query-history/state',
  );
  const declared = state.overloads.filter(({ by }) => by === 'declared');
  expect(declared.map(({ who, reason }) => [who, reason])).toEqual([
    ['admin', REASON],
    ['admin', 'customer 12 calls, ticket 4712'],
  ]);
  expect(new Set(declared.map(({ since }) => since)).size).toBe(2);
  const closings = () => logOf(server).filter(({ msg }) => msg === 'overload over: the history is closed');
  expect(closings()).toEqual([]);
  looping = false;
  const { code, stdout } = await cli('history', 'close', '--reason', 'the loop was found');
  expect([code, stdout]).toEqual([0, expect.stringContaining('customer 12 calls, ticket 4712')]);
  await waitFor('the log to say so', () => closings().length >= 2, WAIT_MS);
  expect((await cli('history', 'close')).stdout).toMatch(/closed/);
  await waitFor(
    'the entry in the audit log',
    () => logOf(server).some(({ action }) => action === 'overload.close'),
    WAIT_MS,
  );
});
