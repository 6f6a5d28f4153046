import { expect, test } from 'vitest';
import { Metrics } from '../metrics/registry.ts';
import { DataHalves } from './data-halves.ts';
import { type AnyFeature, type Close, declareFeature, type Opened } from './feature.ts';
import { KeptParts } from './kept-parts.ts';
import { type FeatureParts, OpenFeatures } from './open-features.ts';
import { Publications } from './publications.ts';

/** One of the list, writing down what is asked of it; `failing` rejects. */
function written(name: string, said: string[], failing?: string): AnyFeature {
  const say = (what: string) => {
    said.push(`${what} ${name}`);
    if (what === failing) throw new Error(`${what} ${name} failed`);
  };
  return declareFeature({
    name,
    open: async (): Promise<Opened<undefined>> => {
      say('open');
      return {
        desk: undefined,
        afterPlugins: async () => {
          say('afterPlugins');
          return () => say('end');
        },
        prepare: async () => {
          say('prepare');
          return { commit: () => say('commit'), discard: () => say('discard') };
        },
        activate: () => say('activate'),
        deactivate: () => say('deactivate'),
        close: () => say('close'),
      };
    },
  });
}

function parts(given: Partial<FeatureParts> = {}): FeatureParts {
  return {
    config: {},
    server: { access: [], workers: 1, dataFolder: '/nowhere' },
    plugins: [],
    metrics: new Metrics(),
    publications: new Publications(),
    keptParts: new KeptParts(),
    closers: [],
    approval: { singleApproverReason: undefined },
    counters: () => [],
    samples: () => [],
    version: '0',
    // None of these tests' features uses them.
    log: undefined as never,
    time: undefined as never,
    audit: undefined as never,
    ...given,
  };
}

async function closeAll(closers: Close[]): Promise<void> {
  for (const close of closers.reverse()) await close();
}

test('features are opened, activated and put to rest in the order of the list, and closed the other way round', async () => {
  const said: string[] = [];
  const closers: Close[] = [];
  const features = new OpenFeatures([written('one', said), written('two', said)], parts({ closers }));
  await features.open();
  closers.push(() => void said.push('close plugins'));
  await features.afterPlugins();
  const prepared = await features.prepare();
  await features.activate();
  prepared.commit();
  await features.deactivate();
  await closeAll(closers);
  expect(said).toEqual([
    ...['open one', 'open two', 'afterPlugins one', 'afterPlugins two', 'prepare one', 'prepare two'],
    ...['activate one', 'activate two', 'commit one', 'commit two', 'deactivate one', 'deactivate two'],
    ...['end two', 'end one', 'close plugins', 'close two', 'close one'],
  ]);
});

test('one that cannot be opened ends the opening; what was opened before is to be closed', async () => {
  const said: string[] = [];
  const closers: Close[] = [];
  const list = [written('one', said), written('two', said, 'open'), written('three', said)];
  await expect(new OpenFeatures(list, parts({ closers })).open()).rejects.toThrow('open two failed');
  await closeAll(closers);
  expect(said).toEqual(['open one', 'open two', 'close one']);
});

test('where one cannot be made ready, what stood ready is discarded', async () => {
  const said: string[] = [];
  const features = new OpenFeatures([written('one', said), written('two', said, 'prepare')], parts());
  await features.open();
  await expect(features.prepare()).rejects.toThrow('prepare two failed');
  expect(said.slice(-2)).toEqual(['prepare two', 'discard one']);
});

test('a feature sees what those ahead of it in the list lend, and is told where one is missing or comes later', async () => {
  const lender = declareFeature<unknown, { readonly what: string }>({
    name: 'lender',
    open: () => ({ desk: { what: 'lent' } }),
  });
  const seen: string[] = [];
  const borrower = declareFeature({
    name: 'borrower',
    open: (context) => {
      seen.push(context.desk(lender).what);
      return { desk: undefined };
    },
  });
  await new OpenFeatures([lender, borrower], parts()).open();
  expect(seen).toEqual(['lent']);
  await expect(new OpenFeatures([borrower, lender], parts()).open()).rejects.toThrow(/lender is not open/);
});

test('what a feature publishes comes to its half in every thread, and to nobody else', async () => {
  const publications = new Publications();
  const counting = (name: string) =>
    declareFeature<unknown, undefined, { last: unknown }>({
      name,
      open: async (context) => {
        await context.publish(`from ${name}`);
        return { desk: undefined };
      },
      data: () => {
        const data: { last: unknown } = { last: undefined };
        return {
          data,
          take: (value) => {
            data.last = value;
          },
        };
      },
    });
  const [one, two] = [counting('one'), counting('two')];
  const halves = new DataHalves([one, two], { config: {}, workers: 1, worker: 0, metrics: new Metrics() });
  halves.follow(publications);
  await new OpenFeatures([one, two], parts({ publications })).open();
  expect([halves.of(one).last, halves.of(two).last]).toEqual(['from one', 'from two']);
});

test('what is kept is made once, outlives configurations, and is closed the last one first', async () => {
  const said: string[] = [];
  const keptParts = new KeptParts();
  const keeping = (name: string) =>
    declareFeature<unknown, object>({
      name,
      open: (context) => ({
        desk: context.keep(() => ({
          stop: () => void said.push(`stop ${name}`),
          close: () => void said.push(`close ${name}`),
        })),
      }),
    });
  const list = [keeping('one'), keeping('two')];
  const [first, second] = [new OpenFeatures(list, parts({ keptParts })), new OpenFeatures(list, parts({ keptParts }))];
  await first.open();
  await second.open();
  expect(second.desk(list[0]!)).toBe(first.desk(list[0]!));
  await keptParts.stop();
  await keptParts.stop();
  await keptParts.close();
  expect(said).toEqual(['stop two', 'stop one', 'close two', 'close one']);
});
