/**
 * No record joins who and what, on the running server: an attacker who may declare an overload and read everything that the operator
 * can, who has the file of the history, the stores of the measures and the audit log, assigns none of eight clients to the name that
 * each of them asked for.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joined, tracksOf } from '../../plugins/query-history/joiner.ts';
import type { DiagnosisReport, HistoryReport } from '../../plugins/query-history/report-shapes.ts';
import type { MeasuresView, MeasureView } from '../../src/rules/rule-view.ts';
import { askUdp } from '../support/dns-client.ts';
import { waitFor } from '../support/observe.ts';
import { startWorld, type World } from './world.ts';

const REASON = 'resolver slow since 02:50, ticket 4711';
/** Who is limited is seen with a purpose alone, also where a network stands for the client. */
const WHY = `reason=${encodeURIComponent(REASON)}`;
const PEOPLE = 8;
/** Each asks for a name of its own, in a number of its own. */
const crowd = Array.from({ length: PEOPLE }, (_, i) => ({
  client: `127.70.${i + 1}.3`,
  name: `h${i + 40}.private${i}.example`,
  questions: 14 + 3 * i,
}));
const LOOP = { client: '127.70.99.3', name: 'h99.loop.example' };

let world: World;

async function ask(client: string, name: string, questions: number): Promise<void> {
  for (let i = 0; i < questions; i++)
    await askUdp({ name }, { port: world.port, from: client, timeoutMs: 2_000 }).catch(() => {});
}

async function read(windowSeconds: number, more: object = {}): Promise<{ status: number; body: HistoryReport }> {
  return world.json<HistoryReport>('POST', '/v1/query-history/read', {
    reason: REASON,
    windowSeconds,
    top: 300,
    ...more,
  });
}

/** Everything below the data folder, as bytes. */
function bytesOf(folder: string): string {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => (statSync(path).isDirectory() ? bytesOf(path) : readFileSync(path, 'latin1')))
    .join('\n');
}

beforeAll(async () => {
  world = await startWorld({ plugins: { 'amp-shaper': {}, 'query-history': {} } });
}, 120_000);
afterAll(() => world?.stop());

describe('eight clients, eight names', () => {
  const observations: { names: Map<string, number | null>; sources: Map<string, number | null> }[] = [];

  it('are asked for, all at once and one after the other, and read in windows of every kind', async () => {
    await Promise.all(crowd.map(({ client, name, questions }) => ask(client, name, questions)));
    for (const { client, name, questions } of crowd.slice(0, 4)) {
      await ask(client, name, questions);
      for (const windowSeconds of [10, 20, 60, 120]) {
        const { status, body } = await read(windowSeconds);
        // The first ten seconds are not over yet.
        if (status === 404) continue;
        expect(status).toBe(200);
        const sources = [...body.tops.network, ...body.tops.address].map(({ key, queries }) => [key, queries] as const);
        const names = body.tops.name.map(({ key, queries }) => [key, queries] as const);
        observations.push({ names: new Map(names), sources: new Map(sources) });
      }
    }
    const last = await waitFor(
      'all names are on record',
      async () => {
        const { status, body } = await read(300);
        return status === 200 && body.tops.name.length >= PEOPLE ? body : undefined;
      },
      60_000,
    );
    // Names are told exactly: with sources told so, each would be found by its number.
    expect(last.tops.name.map(({ key }) => key).sort()).toEqual(crowd.map(({ name }) => name).sort());
    expect(new Set(last.tops.name.map(({ queries }) => queries)).size).toBe(PEOPLE);
  }, 120_000);

  it.each(['counts', 'differences', 'sums', 'presence'] as const)('none is assigned by %s', (method) => {
    const guesses = joined(tracksOf(observations), method);
    const right = guesses.filter(({ source, name }) => {
      const person = crowd.find((each) => each.name === name);
      return person !== undefined && source.startsWith(person.client.replace(/\.\d+$/, '.'));
    });
    expect(right).toEqual([]);
  });

  it('a diagnosis names none of them either', async () => {
    const { body } = await world.json('POST', '/v1/query-history/diagnose', { reason: REASON, windowSeconds: 120 });
    expect(JSON.stringify(body)).not.toMatch(/127\.70\./);
  });

  it('single addresses are refused while an overload is only declared, and never stand beside names', async () => {
    const { status, body } = await world.json<{ error: { code: string } }>('POST', '/v1/query-history/read', {
      windowSeconds: 120,
      addresses: true,
    });
    expect([status, body.error.code]).toEqual([409, 'SEKISHO_HISTORY_CLOSED']);
    for (const approver of ['admin', 'Ａｄｍｉｎ', ' ADMIN '])
      expect((await read(120, { addresses: true, approver })).status).toBe(400);
    const approved = await read(120, { addresses: true, approver: 'privacy officer' });
    expect(approved.status).toBe(200);
    expect([approved.body.tops.name, approved.body.tops.domain, approved.body.tops.pattern]).toEqual([[], [], []]);
    expect(world.log()).toMatch(/"action":"history\.read"/);
  });
});

describe('a measure on one client', () => {
  it('keeps the network in its evidence, its changes and the audit log: never the address, never a name', async () => {
    const loop = async () => {
      for (let round = 0; round < 4; round++)
        await Promise.all(Array.from({ length: 4 }, () => ask(LOOP.client, LOOP.name, 100)));
    };
    const report = await waitFor(
      'the loop is what explains it',
      async () => {
        await loop();
        const request = { reason: REASON, windowSeconds: 20, approver: 'privacy officer' };
        const { status, body } = await world.json<DiagnosisReport>('POST', '/v1/query-history/diagnose', request);
        return status === 200 && body.causes[0]?.cause === 'broken-client' ? body : undefined;
      },
      120_000,
    );
    // With a second person the address is there, and then no name is.
    expect(report.causes[0]?.about).toBe(LOOP.client);
    expect(JSON.stringify(report)).not.toContain('loop.example');
    const ground = {
      kind: 'necessity',
      'nothing-milder': 'the subscriber cannot be reached by telephone',
      evidence: `127.70.99.3 asks ${LOOP.name} without end, ticket 4711`,
      approver: 'shift lead',
      expires: '1h',
    };
    const applied = await world.json<MeasureView>('POST', '/v1/query-history/apply', {
      diagnosis: report.id,
      proposal: 1,
      ground,
    });
    expect([applied.status, applied.body.match]).toEqual([200, { source: '127.70.99.0/24', ...typeOf(applied.body) }]);
    expect(applied.body.ground['evidence']).toMatch(/127\.70\.99\.0\/24/);
    // It acts on that client anyway.
    await ask(LOOP.client, LOOP.name, 60);
    const listed = (await world.json<MeasuresView>('GET', `/v1/measures?${WHY}`)).body;
    expect(listed.measures[0]?.matched).toBeGreaterThan(0);
    expect(
      (await world.json('DELETE', `/v1/measures/${applied.body.id}`, { reason: 'the box was unplugged' })).status,
    ).toBe(200);
    const shown = JSON.stringify([
      applied.body,
      listed,
      (await world.json('GET', `/v1/measures?${WHY}`)).body,
      (await world.json('GET', `/v1/measures/changes?${WHY}`)).body,
    ]);
    expect(shown).not.toMatch(/127\.70\.99\.3|loop\.example/);
    expect(shown).toContain('one client in 127.70.99.0/24');
  }, 240_000);

  it('and so do the files, once it has ended', async () => {
    await world.server.stop();
    for (const folder of ['rules', 'audit.db', 'query-history']) {
      const path = join(world.dataFolder, folder);
      const bytes = statSync(path).isDirectory() ? bytesOf(path) : readFileSync(path, 'latin1');
      expect(bytes.includes(LOOP.client), `${folder} holds the address`).toBe(false);
    }
    expect(bytesOf(join(world.dataFolder, 'rules'))).not.toContain('loop.example');
    expect(world.log()).not.toMatch(/127\.70\.|private\d|loop\.example/);
  });
});

/** The type may be part of the match. */
function typeOf({ match }: MeasureView): { type?: string } {
  return match['type'] === undefined ? {} : { type: match['type'] };
}
