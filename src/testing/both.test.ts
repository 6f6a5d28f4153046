import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CONTINUE,
  changeBy,
  definePlugin,
  errorsOf,
  nameToText,
  REFUSE,
  readOf,
  SekishoError,
  z,
} from '../contract/plugin.ts';
import type { MountedBoth } from './testing.ts';
import { mountBoth } from './testing.ts';

const refused = errorsOf({
  DOOR_NAME_REFUSED: { status: 422, exitCode: 1, meaning: 'A name cannot be shut.', remedy: 'Give another.' },
});

/** Names that an operator shuts over the API, for as long as the plugin says; kept in a file. */
const door = definePlugin({
  name: 'door',
  stage: 'policy',
  summary: 'shuts names',
  options: z.strictObject({ seconds: z.int().min(1).default(60), first: z.string().optional() }),
  check: ({ first }) => (first === 'nowhere' ? [{ path: ['first'], message: 'leads nowhere' }] : []),
  control({
    options,
    clock,
    every,
    audit,
    lasting,
    dataFolder,
    publish,
    routes,
    counter,
    gauge,
    numbers,
    log,
    onClose,
  }) {
    const file = join(dataFolder(), 'names.json');
    const desk = lasting(() => ({
      shut: new Map<string, number>(),
      opens: 0,
      close: () => writeFileSync(file, 'closed'),
    }));
    desk.opens++;
    const changes = counter('changes', 'Changes.', { by: 'api' });
    const held = gauge('names', 'Names that are shut.');
    const show = async () => {
      numbers[held] = desk.shut.size;
      await publish([...desk.shut.keys()]);
    };
    if (options.first !== undefined) desk.shut.set(options.first, Number.POSITIVE_INFINITY);
    every(1000, () => {
      for (const [name, endMs] of desk.shut) if (endMs <= clock.nowMs()) desk.shut.delete(name);
      void show();
    });
    onClose(() => log.info('the door is closed'));
    routes((app) => {
      app.post<{ Body: { name: string; reason?: string } }>(
        '/names',
        {
          config: { roles: ['operator'], audit: { of: 'change', actions: ['door.shut'] } },
          schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
        },
        async ({ body, identity }) => {
          if (body.name === 'example') throw refused('DOOR_NAME_REFUSED', 'example cannot be shut');
          audit.record(changeBy(identity, 'door.shut', body.reason, 'somebody asked', { name: body.name }));
          desk.shut.set(body.name, clock.nowMs() + 1000 * options.seconds);
          numbers[changes]! += 1;
          await show();
          return { shut: desk.shut.size, opens: desk.opens };
        },
      );
      app.get<{ Querystring: { reason?: string } }>(
        '/names',
        { config: { roles: ['privacy'], audit: { of: 'read', actions: ['door.read'] } } },
        async ({ query, identity }) => {
          audit.record(readOf(identity, 'door.read', query.reason, {}));
          return { names: [...desk.shut.keys()] };
        },
      );
    });
    return { shared: options.first === undefined ? [] : [options.first] };
  },
  data({ shared, counter, counters }) {
    let names = new Set(shared as string[]);
    const refusals = counter('refusals', 'Queries refused.');
    return {
      update: (value) => {
        names = new Set(value as string[]);
      },
      query: ({ question }) => {
        if (!names.has(nameToText(question.name))) return CONTINUE;
        counters[refusals]! += 1;
        return REFUSE;
      },
    };
  },
});

let mounted: MountedBoth | undefined;
afterEach(async () => {
  await mounted?.close();
  mounted = undefined;
});

describe('a plugin mounted with both halves', () => {
  it('is asked over the API with roles, leaves audit entries, and publishes to its hooks', async () => {
    mounted = await mountBoth(door, { seconds: 5 });
    const query = { name: 'shut.example' };
    expect((await mounted.ask(query)).rcode).toBe('NOERROR');
    for (const role of [undefined, 'viewer', 'privacy'] as const)
      expect((await mounted.request(role, 'POST', '/v1/door/names', query)).status).toBe(role ? 403 : 401);
    const answer = await mounted.request('operator', 'POST', '/v1/door/names', {
      ...query,
      reason: 'a test of the door',
    });
    expect(answer).toMatchObject({ status: 200, body: { shut: 1, opens: 1 } });
    expect(mounted.audited).toEqual([
      expect.objectContaining({ action: 'door.shut', who: 'operator', purpose: 'a test of the door', detail: query }),
    ]);
    expect((await mounted.ask(query)).rcode).toBe('REFUSED');
    expect(mounted.counter('sekisho_door_refusals_total')).toBe(1);
    expect(mounted.number('sekisho_door_changes_total', { by: 'api' })).toBe(1);
    expect(mounted.number('sekisho_door_names')).toBe(1);
  });

  it('has timers by the clock of the test', async () => {
    mounted = await mountBoth(door, { seconds: 5 });
    await mounted.request('operator', 'POST', '/v1/door/names', { name: 'shut.example' });
    await mounted.advance(4_900);
    expect((await mounted.ask({ name: 'shut.example' })).rcode).toBe('REFUSED');
    await mounted.advance(200);
    expect((await mounted.ask({ name: 'shut.example' })).rcode).toBe('NOERROR');
    expect(mounted.number('sekisho_door_names')).toBe(0);
  });

  it('is answered as over HTTP where something is wrong', async () => {
    mounted = await mountBoth(door, {});
    const code = async (...asked: Parameters<MountedBoth['request']>) => {
      const { status, body } = await mounted!.request(...asked);
      return [status, (body as { error: { code: string } }).error.code];
    };
    expect(await code('operator', 'POST', '/v1/door/names', { name: 'example' })).toEqual([422, 'DOOR_NAME_REFUSED']);
    expect(await code('operator', 'POST', '/v1/door/names', {})).toEqual([400, 'SEKISHO_REQUEST_INVALID']);
    expect(await code('privacy', 'GET', '/v1/door/names')).toEqual([400, 'SEKISHO_PURPOSE_MISSING']);
    mounted.auditFails = true;
    expect(await code('operator', 'POST', '/v1/door/names', { name: 'a.example' })).toEqual([
      503,
      'SEKISHO_AUDIT_FAILED',
    ]);
    mounted.auditFails = false;
    expect(mounted.audited).toEqual([]);
    const read = await mounted.request('privacy', 'GET', '/v1/door/names?reason=to+see+what+is+shut');
    expect(read).toMatchObject({ status: 200, body: { names: [] } });
  });

  it('goes on with what lasts over a reload, and ends it at the end', async () => {
    mounted = await mountBoth(door, {});
    await mounted.request('operator', 'POST', '/v1/door/names', { name: 'shut.example' });
    await mounted.reload({ first: 'other.example' });
    expect(mounted.logged.map(({ msg }) => msg)).toContain('the door is closed');
    expect((await mounted.ask({ name: 'other.example' })).rcode).toBe('REFUSED');
    const { body } = await mounted.request('operator', 'POST', '/v1/door/names', { name: 'third.example' });
    expect(body).toEqual({ shut: 3, opens: 2 });
    const file = join(mounted.folder, 'door', 'names.json');
    expect(existsSync(file)).toBe(false);
    const { folder } = mounted;
    await mounted.close();
    mounted = undefined;
    expect(existsSync(folder)).toBe(false);
  });

  it('is refused with every problem of its options, at their place in the configuration', async () => {
    await expect(mountBoth(door, { seconds: 0, frist: 'x' } as never)).rejects.toThrow(SekishoError);
    await expect(mountBoth(door, { seconds: 0, frist: 'x' } as never)).rejects.toThrow(
      /plugins\.door\.seconds: must be at least 1[\s\S]*plugins\.door\.frist: unknown key; did you mean 'first'\?/,
    );
    await expect(mountBoth(door, { first: 'nowhere' })).rejects.toThrow(/plugins\.door\.first: leads nowhere/);
  });

  it('sees the sections and files that the test gives', async () => {
    let seen: unknown;
    const looking = definePlugin({
      name: 'looking',
      stage: 'policy',
      summary: 'looks',
      options: z.strictObject({}),
      control: ({ lists, notices, server }) => {
        seen = [lists.map(({ name }) => name), notices !== undefined, server.access];
        return undefined;
      },
    });
    mounted = await mountBoth(
      looking,
      {},
      {
        config: {
          server: { access: ['192.0.2.0/24'] },
          subscribers: { ranges: './who.csv', terms: '2026-04' },
          lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'rpz', file: './feed.rpz' }],
        },
        files: { 'who.csv': '192.0.2.7,4711\n', 'feed.rpz': 'bad.example CNAME .\n' },
      },
    );
    expect(seen).toEqual([['feed'], true, ['192.0.2.0/24']]);
    expect(readFileSync(join(mounted.folder, 'who.csv'), 'utf8')).toContain('4711');
  });
});
