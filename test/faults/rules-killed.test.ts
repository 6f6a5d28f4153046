/**
 * kill -9 at every step of every change of a rule: after the next start the desk, its lists, its change log and what clients get say
 * the same, no rule is left that nobody can lift, and what was acknowledged is there.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { openSqliteRuleStore, RULES_FILE } from '../../src/rules/sqlite-rule-store.ts';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { formerFolder, formerMeasure, formerRule } from '../support/former-rules.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startAgain, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const HOOK = pathToFileURL(join(repositoryRoot(), 'test', 'support', 'kill-at-step.mjs')).href;
const DISCARDED = ['198.51.100.1'];
const TRUTH = ['192.0.2.7'];
/** No change takes so many. */
const MOST_STEPS = 60;

const ground = (evidence: string) => ({
  kind: 'self-defence',
  effect: 'floods the resolvers of the north',
  evidence,
  approver: 'shift lead',
  expires: '2h',
});
/** Puts what a diagnosis would propose in force, with everything that `sekisho diagnose --apply` goes through behind it. */
const PROPOSER = `
  control({ measures, routes }) {
    routes((app) => app.post('/apply', { config: { roles: ['operator'], audit: { of: 'change', actions: ['measure.apply'] } } },
      async ({ body }) => {
        const { rule } = await measures.apply(body.proposal, body.statement, 'proposer', 'operator');
        return { id: rule.id };
      }));
  },`;

interface Rule {
  readonly id: string;
  readonly state: string;
  readonly text: string;
  readonly plugin: string;
  readonly origin: string;
  readonly endsAt: string | null;
}

let upstream: ScriptedUpstream;
let server: SekishoServer;
let armed: string;
const HOOKED = () => ({ readyTimeoutMs: 60_000, nodeArgs: ['--import', HOOK], env: { KILL_AT_STEP: armed } });

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  armed = join(temporaryFolder('kill'), 'at');
  writeFileSync(armed, 'off');
  server = keep(
    await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
        plugins: {
          proposer: { module: writePlugin('proposer', '', { parts: PROPOSER }) },
          sinkhole: { ipv4: '198.51.100.1' },
        },
      },
      ...HOOKED(),
    }),
  );
});

async function call<Body>(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const { server: section } = parse(server.config) as { server: { data: string } };
  const token = readFileSync(join(section.data, 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

const WHY = 'reason=to%20see%20what%20a%20kill%20left';
const add = (name: string, over: object = {}, evidence = `ticket of ${name}`) =>
  call('POST', '/v1/sinkhole/rules', { name, ground: ground(evidence), ...over });
const apply = (name: string, dryRun = false) =>
  call<{ id: string }>('POST', '/v1/proposer/apply', {
    proposal: {
      plugin: 'sinkhole',
      match: { name },
      limitPerSecond: 0,
      limitRationale: 'a discarded name is discarded',
      escalation: false,
      normalPerSecond: 1,
      startPerSecond: 100,
      removes: 0.9,
      hits: 0,
      diagnosis: `d${name}`,
      cause: 'popular-event',
    },
    statement: { ground: ground(`diagnosis of ${name}`), dryRun, escalate: '' },
  });
const answersTo = async (name: string) =>
  dataOf((await askUdp({ name }, { port: server.port, timeoutMs: 10_000 })).answers, 'A');

/** All places that could contradict each other. */
async function consistent(name: string, step: number): Promise<Rule | undefined> {
  const at = `${name}, killed at step ${step}`;
  const rules = (await call<{ rules: Rule[] }>('GET', `/v1/rules?${WHY}`)).body.rules;
  const running = rules.filter(({ text, state }) => text.endsWith(` ${name}`) && /in-force|dry-run/.test(state));
  expect(running.length, `${at}: one rule at most`).toBeLessThanOrEqual(1);
  const [rule] = running;
  const listed = (await call<{ rules: { name: string; state: string }[] }>('GET', `/v1/sinkhole/rules?${WHY}`)).body
    .rules;
  expect(
    listed.filter((each) => each.name === name).map(({ state }) => state),
    `${at}: sinkhole list`,
  ).toEqual(rule ? [rule.state] : []);
  const measures = (await call<{ measures: { id: string; state: string }[] }>('GET', `/v1/measures?${WHY}`)).body
    .measures;
  const measure = measures.find(({ id, state }) => id === rule?.id && state === rule.state);
  expect(measure !== undefined, `${at}: measures`).toBe(rule?.origin === 'diagnosis');
  expect(await answersTo(name), `${at}: what clients get`).toEqual(rule?.state === 'in-force' ? DISCARDED : TRUTH);
  const log = (await call<{ changes: { action: string; rule: Rule }[] }>('GET', `/v1/rules/changes?limit=1000&${WHY}`))
    .body;
  const last = log.changes.find(
    ({ rule: of }) => of.id === (rule?.id ?? '') || (!rule && of.text.endsWith(` ${name}`)),
  );
  if (rule) expect(last?.action, `${at}: the log`).toMatch(/add|renew/);
  else if (last) expect(last.action, `${at}: the log`).toBe('lift');
  if (rule) expect(rule.endsAt, `${at}: it ends`).not.toBeNull();
  return rule;
}

/** `change` is begun again and again, and the server killed at one step after the other, until it gets through. */
async function killedAtEveryStep(
  what: string,
  prepare: (name: string) => Promise<unknown>,
  change: (name: string) => Promise<{ status: number }>,
  after: (rule: Rule | undefined, acknowledged: boolean) => void,
): Promise<number> {
  for (let step = 0; step < MOST_STEPS; step++) {
    const name = `${what}${step}.example.test`;
    await prepare(name);
    writeFileSync(armed, String(step));
    const status = await change(name).then(
      (answer) => answer.status,
      () => undefined,
    );
    if (status !== undefined) expect(status).toBe(200);
    if (status === undefined) expect(await server.ended).toBe('SIGKILL');
    else await server.stop('SIGKILL');
    writeFileSync(armed, 'off');
    server = keep(await startAgain(server, HOOKED()));
    const rule = await consistent(name, step);
    after(rule, status !== undefined);
    // Nobody is left with a rule that cannot be taken back.
    if (rule) expect((await call('DELETE', `/v1/rules/${rule.id}`, { reason: 'the test is over' })).status).toBe(200);
    expect(await answersTo(name)).toEqual(TRUTH);
    if (status !== undefined) return step;
  }
  throw new Error(`${what} did not get through in ${MOST_STEPS} steps`);
}

describe('a kill -9 at every step', () => {
  const nothing = async () => {};

  it('of adding a rule', async () => {
    const steps = await killedAtEveryStep('add', nothing, add, (rule, acknowledged) => {
      if (acknowledged) expect(rule?.state).toBe('in-force');
    });
    expect(steps).toBeGreaterThan(4);
  });

  it('of putting a proposal of a diagnosis in force', async () => {
    const steps = await killedAtEveryStep('apply', nothing, apply, (rule, acknowledged) => {
      if (acknowledged) expect([rule?.state, rule?.origin]).toEqual(['in-force', 'diagnosis']);
    });
    expect(steps).toBeGreaterThan(4);
  });

  it('of a rule that follows from its dry run', async () => {
    await killedAtEveryStep(
      'follow',
      (name) => apply(name, true),
      apply,
      (rule, acknowledged) => {
        expect(rule?.state).toMatch(acknowledged ? /in-force/ : /in-force|dry-run/);
      },
    );
  });

  it('of lifting', async () => {
    const lift = (name: string) => call('DELETE', `/v1/sinkhole/rules/${name}`, { reason: 'attack over' });
    await killedAtEveryStep('lift', apply, lift, (rule, acknowledged) => {
      if (acknowledged) expect(rule).toBeUndefined();
    });
  });

  it('of taking over the rules of a former version', async () => {
    const main = pathToFileURL(join(repositoryRoot(), 'dist', 'src', 'rules', 'sqlite-rule-store.js')).href;
    const script = join(temporaryFolder('open'), 'open.mjs');
    writeFileSync(
      script,
      `const [, , file, folder] = process.argv;
       const { openSqliteRuleStore } = await import(${JSON.stringify(main)});
       await (await openSqliteRuleStore(file, folder, Date.now())).store.close();`,
    );
    for (let step = 0; ; step++) {
      expect(step).toBeLessThan(MOST_STEPS);
      const folder = formerFolder({
        rules: [formerRule('runs.example'), formerRule('both.example'), formerRule('over.example')],
        ruleLog: [['expire', formerRule('over.example')]],
        measures: [formerMeasure('m1'), formerMeasure('m2', { plugin: 'sinkhole', match: { name: 'both.example' } })],
        measureLog: [['apply', formerMeasure('m1')]],
      });
      mkdirSync(join(folder, 'rules'));
      const file = join(folder, 'rules', RULES_FILE);
      writeFileSync(armed, String(step));
      const { signal, status, stderr } = spawnSync(process.execPath, ['--import', HOOK, script, file, folder], {
        env: { ...process.env, KILL_AT_STEP: armed },
        encoding: 'utf8',
      });
      expect(signal === 'SIGKILL' || status === 0, stderr).toBe(true);
      const { store } = await openSqliteRuleStore(file, folder, Date.now());
      const rules = (await store.rules()).map(({ match, state }) => `${match.name ?? match.source} ${state}`);
      expect(rules.sort(), `killed at step ${step}`).toEqual([
        '192.0.2.77 in-force',
        'both.example in-force',
        'over.example expired',
        'runs.example in-force',
      ]);
      expect((await store.changes(10)).length).toBe(2);
      await store.close();
      if (status === 0) return expect(step).toBeGreaterThan(10);
    }
  });
});
