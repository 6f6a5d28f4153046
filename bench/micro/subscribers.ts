/**
 * What subscribers cost (src/subscribers/, plugins/c2-block): bytes and nanoseconds of the table of addresses, the plugin's share
 * of a query, the consent ledger, RADIUS packets without their sockets. `npm run bench -- subscribers [million addresses]`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import c2Block from '../../plugins/c2-block/index.ts';
import { addressWords } from '../../src/address/address.ts';
import { ListsBuilder } from '../../src/lists/compile.ts';
import { createListParser } from '../../src/lists/formats/parser.ts';
import { type ListFacts, ListsInForce } from '../../src/lists/in-force.ts';
import { mountPlugin } from '../../src/loading/plugins.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { ConsentDesk } from '../../src/subscribers/consent/consent-desk.ts';
import { SubscribersInForce } from '../../src/subscribers/in-force.ts';
import { leaseBounds } from '../../src/subscribers/leases/lease-bounds.ts';
import { Accounting } from '../../src/subscribers/radius/accounting.ts';
import { requestAuthenticator } from '../../src/subscribers/radius/packet.ts';
import { loadRanges } from '../../src/subscribers/ranges/ranges-file.ts';
import { SubscriberState } from '../../src/subscribers/state.ts';
import { AddressReader, AddressTable } from '../../src/subscribers/table/address-table.ts';
import { NEVER } from '../../src/subscribers/table/prefix-table.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { nameMaker } from '../lists/list-names.ts';
import { KEY0, KEY1, queryPacket } from './packets.ts';
import { compare } from './timing.ts';

const ENTRIES = Number(process.argv[2] ?? 10) * 1e6;
const folder = mkdtempSync(join(tmpdir(), 'sekisho-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
/** Scatters numbers that count up over all of 32 bits. */
const scatter = (i: number) => Math.imul(i, 0x9e3779b1) | 0;
const timed = async (what: string, count: number, work: () => unknown) => {
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  console.log(`${what}: ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} a second`);
};

// ── the table: half IPv4 addresses, half IPv6 prefixes of /56 and /64 ────────────────────────────────────────────────
const prefixes = {
  v4: (i: number) => ({ words: Int32Array.of(0, 0, 0xffff, scatter(i)), bits: 128, port: 0, portBits: 0 }),
  v6: (i: number) => {
    const bits = (i & 1) === 0 ? 56 : 64;
    const [upper, lower] = [0x20010000 | (i >>> 20), scatter(i) & (bits === 56 ? -256 : -1)];
    return { words: Int32Array.of(upper, lower, 0, 0), bits, port: 0, portBits: 0 };
  },
  v6Long: (i: number) => ({
    words: Int32Array.of(0x20020db8, scatter(i), i, scatter(i)),
    bits: 128,
    port: 0,
    portBits: 0,
  }),
};
const perEntry = (table: AddressTable) => `${(table.bytes / table.count).toFixed(1)} bytes for each of ${table.count}`;
const write = (table: AddressTable) => {
  for (let i = 0; i < ENTRIES / 2; i++) {
    table.set(prefixes.v4(i), i, NEVER);
    table.set(prefixes.v6(i), i, NEVER);
  }
};
const table = new AddressTable({ expected: { v4: ENTRIES / 2, v6: ENTRIES / 2 } });
await timed(`${ENTRIES / 1e6} M entries written`, ENTRIES, () => write(table));
console.log(`sized beforehand: ${perEntry(table)}`);
if (!process.argv.includes('--quick')) {
  const grown = new AddressTable();
  await timed('the same in a table that grows with them', ENTRIES, () => write(grown));
  console.log(`grown: ${perEntry(grown)}`);
  const long = new AddressTable();
  for (let i = 0; i < ENTRIES / 10; i++) long.set(prefixes.v6Long(i), i, NEVER);
  console.log(`IPv6 beyond /64, grown: ${perEntry(long)}`);
}
const reader = new AddressReader(table.memory);
let next = 1;
/** Puts the `i`th address into `words`, or one beyond all that are known; returns its family. */
const addressInto = (words: Int32Array, i: number, family: 4 | 6, known: boolean): number => {
  const at = known ? i : i + ENTRIES;
  const value = scatter(at);
  words[0] = family === 4 ? 0 : 0x20010000 | (at >>> 20);
  words[1] = family === 4 ? 0 : value;
  words[2] = family === 4 ? 0xffff : 0;
  words[3] = family === 4 ? value : 5;
  return family;
};
const anywhere = () => {
  next = (Math.imul(next, 1664525) + 1013904223) | 0;
  return Math.floor((((next >>> 0) / 0x1_0000_0000) * ENTRIES) / 2);
};
const one = new Int32Array(4);
const look = (families: readonly (4 | 6)[], known: (i: number) => boolean) => (iterations: number) => {
  let sum = 0;
  for (let k = 0; k < iterations; k++) {
    const i = anywhere();
    const family = addressInto(one, i, families[i % families.length]!, known(i));
    sum += reader.find(one, family, 1000, 1);
  }
  return sum;
};
/** As the receive loop looks a full batch of packets up: all of them noted, fetched in one go, then looked up one by one. */
const BATCH = 64;
const batched = Array.from({ length: BATCH }, () => ({ words: new Int32Array(4), family: 4 }));
const lookTogether = (iterations: number) => {
  let sum = 0;
  for (let k = 0; k < iterations; k += BATCH) {
    for (const each of batched) {
      const i = anywhere();
      each.family = addressInto(each.words, i, (i & 2) === 0 ? 4 : 6, true);
      reader.foresee(each.words, each.family, 1000);
    }
    reader.fetch();
    for (const each of batched) sum += reader.find(each.words, each.family, 1000, 1);
  }
  return sum;
};
const memory = new Int32Array(table.memory.v4.buffer);
const raw = new Int32Array(new SharedArrayBuffer(memory.byteLength)).fill(1);
const readAnywhere = (words: Int32Array) => (iterations: number) => {
  let sum = 0;
  for (let k = 0; k < iterations; k++) {
    // The next place hangs on what was read, as an answer hangs on its look-up: the reads cannot overlap.
    next = (Math.imul(next + (sum & 1), 1664525) + 1013904223) | 0;
    sum += words[Math.floor(((next >>> 0) / 0x1_0000_0000) * words.length)]!;
  }
  return sum;
};
const always = () => true;
compare(`subscribers: one look-up among ${table.count} entries`, [
  { name: 'one word at random, each after the one before: pages of 4 KiB', run: readAnywhere(raw) },
  { name: 'the same in the table’s memory (huge pages, where the system gives them)', run: readAnywhere(memory) },
  {
    name: 'no look-up: what making the address costs',
    run: (iterations) => {
      let sum = 0;
      for (let k = 0; k < iterations; k++) {
        const i = anywhere();
        sum += addressInto(one, i, (i & 1) === 0 ? 4 : 6, (i & 2) === 0) + one[3]!;
      }
      return sum;
    },
  },
  { name: 'IPv4, known', run: look([4], always) },
  { name: 'IPv4, unknown', run: look([4], () => false) },
  { name: 'IPv6, known, two lengths', run: look([6], always) },
  { name: 'IPv6, unknown', run: look([6], () => false) },
  { name: 'both families, half of them unknown', run: look([4, 6], (i) => (i & 4) === 0) },
  { name: 'both families, known, 64 at a time', run: lookTogether },
]);
if (process.argv.includes('--quick')) process.exit();

// ── the plugin, with a million names and a million subscribers ───────────────────────────────────────────────────────
const facts: ListFacts = {
  name: 'feed',
  category: 'c2',
  tier: 'confirmed',
  dryRun: false,
  override: { action: 'given' },
};
const lists = new ListsInForce([facts]);
const builder = new ListsBuilder({ key: [1, 2, 3, 4], version: 1 });
const parser = createListParser('domains', {}, builder.sink(0));
const { makeName } = nameMaker(1);
for (let i = 0; i < 1e6; i += 1000)
  parser.feed(new TextEncoder().encode(`${Array.from({ length: 1000 }, () => makeName().join('.')).join('\n')}\n`));
parser.end();
lists.take(builder.build());
const million = new AddressTable({ expected: { v4: 1e6 } });
for (let i = 0; i < 1e6; i++) million.set(prefixes.v4(i), i, NEVER);
const consents = new Uint8Array(new SharedArrayBuffer(1 << 20)).fill(1);
const subscribers = new SubscribersInForce();
subscribers.take({
  leases: new AddressTable().memory,
  ranges: million.memory,
  consents: consents.buffer as SharedArrayBuffer,
  unfiltered: [false],
});
const hooks = mountPlugin(c2Block, c2Block.options.parse({}), undefined, {
  lists,
  subscribers,
  server: { access: [], workers: 1, notice: {} },
  worker: 0,
  clock: systemClock,
  hashKey: [KEY0, KEY1],
  random32: () => 0,
  metrics: new Metrics(),
  defer: () => undefined,
  resume: () => false,
  refresh: () => {},
});
const queries = Array.from({ length: 4096 }, (_, i) => {
  const query = new Query();
  query.message = queryPacket(`www.host${i}.zone${i % 997}.example.net`, { edns: true });
  query.length = query.message.length;
  query.reset();
  readQuery(query, KEY0, KEY1);
  return query;
});
const hook = (known: boolean) => (iterations: number) => {
  let sum = 0;
  for (let k = 0; k < iterations; k++) {
    const query = queries[k & 4095]!;
    next = (Math.imul(next, 1664525) + 1013904223) | 0;
    query.clientWords[2] = 0xffff;
    query.clientWords[3] = scatter(((next >>> 0) % 1e6) + (known ? 0 : 2e6));
    sum += hooks.query?.(query) ?? 0;
  }
  return sum;
};
compare('c2-block: its share of one query, 1 M names and 1 M subscribers', [
  { name: 'consents, name on no list', run: hook(true) },
  { name: 'unknown address', run: hook(false) },
]);

// ── the control plane ────────────────────────────────────────────────────────────────────────────────────────────────
const csv = join(folder, 'ranges.csv');
const address = (i: number) => `${10 + (i >> 24)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
const rows = Array.from({ length: 1e6 }, (_, i) => `${address(i)},c${i}`);
for (const bad of [1000, 500_000, 999_999]) rows[bad] = 'nonsense';
writeFileSync(csv, rows.join('\n'));
const state = new SubscriberState(folder, systemClock, pino({ level: 'silent' }));
await state.putInForce({
  terms: { version: 't', covers: ['c2'] },
  groups: [],
  unfiltered: [],
  leaseMs: 3_600_000,
  leaseAfterRestartMs: 0,
  provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
});
await timed('a CSV of 1 M rows, three of them bad, loaded', 1e6, async () => {
  const { rejected, findings } = await loadRanges(csv, (subscriber) => state.register.holderFor(subscriber));
  console.log(`left out: ${rejected}, in lines ${findings.map(({ line }) => line).join(', ')}`);
});
const desk = new ConsentDesk(state);
const actor = { who: 'bench', channel: 'api', reason: '' };
for (const together of [1, 16]) {
  await timed(`consents toggled, ${together} at a time, each on the disk`, 2000, async () => {
    let i = 0;
    const caller = async () => {
      while (i < 2000) await desk.change(`c${i++}`, 'c2', 'opt-out', actor);
    };
    await Promise.all(Array.from({ length: together }, caller));
  });
}
const imported = Array.from({ length: 100_000 }, (_, i) => [`c${i}`, 'c2', 'opt-out'] as const);
await timed('consents imported', imported.length, async () => {
  for (let i = 0; i < imported.length; i += 1000) await desk.import('crm', i, imported.slice(i, i + 1000), actor);
});
await timed('entries of the ledger verified', state.ledger.entries, () => {
  const problem = state.ledger.verifyNow();
  if (problem !== undefined) throw new Error(problem);
});
const secret = Buffer.from('xyzzy5461');
const config = {
  listen: { address: '127.0.0.1', port: 1813 },
  secretFile: '',
  clients: ['127.0.0.0/8'],
  subscriber: 'user-name',
  shortestIpv6: 48,
} as const;
const bounds = leaseBounds({ shortestIpv4: 32, shortestIpv6: 48 }, ['0.0.0.0/1', '128.0.0.0/1']);
const nothing = () => {};
const ears = { count: nothing, refused: nothing, contested: nothing, nameForgotten: nothing, full: nothing };
const accounting = new Accounting(state, config, bounds, secret, ears);
const packets = Array.from({ length: 100_000 }, (_, i) => {
  const text = (type: number, value: string) =>
    Buffer.concat([Buffer.from([type, value.length + 2]), Buffer.from(value)]);
  const framed = Buffer.alloc(6);
  framed.set([8, 6]);
  framed.writeInt32BE(scatter(i), 2);
  const status = Buffer.from([40, 6, 0, 0, 0, 1]);
  const packet = Buffer.concat([
    Buffer.from([4, i & 255, 0, 0]),
    Buffer.alloc(16),
    status,
    text(1, `c${i}`),
    text(44, `s${i}`),
    framed,
  ]);
  packet.writeUInt16BE(packet.length, 2);
  requestAuthenticator(packet, secret).copy(packet, 4);
  return packet;
});
const client = addressWords('127.0.0.1');
await timed('RADIUS accounting packets, without sockets', packets.length, () => {
  for (const packet of packets) if (!accounting.take(packet, client)) throw new Error('no answer');
});
state.close();
