import { describe, expect, test } from 'vitest';
import { addressWords } from '../address/address.ts';
import { nameToText, textToName } from '../wire/name.ts';
import { ListsBuilder, ListsMemory, statisticsOf, zoneFacts } from './compile.ts';
import { createListParser, type ListFormat } from './formats/parser.ts';
import { ADDRESS_TRIGGER, type AddressTrigger } from './formats/sink.ts';
import { type CompiledLists, LoadedLists } from './in-force.ts';
import type { PolicyIndex } from './index/policy-index.ts';
import { ACTION_LISTED, ACTION_LOCAL_DATA, ACTION_NODATA, ACTION_NXDOMAIN } from './index/rules.ts';
import type { SuffixKey } from './index/suffix-hash.ts';

const KEY: SuffixKey = [1, -2, 3, -4];
const ZONE = `$ORIGIN zone.example.
@ 60 SOA ns.zone.example. admin.zone.example. 1 60 60 3600 30
bad.example CNAME .
bad.example CNAME .
*.bad.example CNAME *.
local.example A 192.0.2.1
local.example AAAA 2001:db8::1
ns.bad.example.rpz-nsdname CNAME .
24.0.2.0.192.rpz-client-ip CNAME .
32.7.100.51.198.rpz-ip CNAME *.
`;

function read(builder: ListsBuilder, list: number, format: ListFormat, text: string): void {
  const parser = createListParser(format, {}, builder.sink(list));
  parser.feed(new TextEncoder().encode(text));
  const zone = zoneFacts(parser.end());
  if (zone) builder.zone(list, zone);
}

function build(version: number, fill: (builder: ListsBuilder) => void, memory?: ListsMemory): CompiledLists {
  const builder = new ListsBuilder({ key: KEY, version, ...(memory && { spare: memory.spare }) });
  fill(builder);
  const compiled = builder.build();
  memory?.built(compiled);
  return compiled;
}

/** The action on the name in each of the lists 0 to 2, 0 = none. */
function actions(index: PolicyIndex | undefined, text: string): number[] {
  const name = textToName(text);
  const starts = new Uint8Array(128);
  let labels = 0;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) starts[labels++] = at;
  index?.lookupName(name, starts, labels, -1);
  return [0, 1, 2].map((list) => (index?.matchOf(list) ? index.action : 0));
}

function networkActions(lists: LoadedLists, trigger: AddressTrigger, address: string): number[] {
  const { networks } = lists;
  networks?.lookup(trigger, Int32Array.from(addressWords(address)), -1);
  return [0, 1, 2].map((list) => (networks?.matchOf(list) ? networks.rules.action : 0));
}

const three = (builder: ListsBuilder): void => {
  read(builder, 0, 'domains', 'bad.example\nplain.example\n');
  read(builder, 1, 'rpz', ZONE);
  read(builder, 2, 'rpz', '24.0.2.0.192.rpz-client-ip CNAME *.\n');
};

describe('lists built from their sources', () => {
  const compiled = build(1, three);
  const lists = new LoadedLists(compiled);

  test('answer for names, name servers and networks, each list for itself', () => {
    expect(actions(lists.names, 'bad.example')).toEqual([ACTION_LISTED, ACTION_NXDOMAIN, 0]);
    expect(actions(lists.names, 'x.bad.example')).toEqual([0, ACTION_NODATA, 0]);
    expect(actions(lists.names, 'local.example')).toEqual([0, ACTION_LOCAL_DATA, 0]);
    expect(actions(lists.nameServers, 'ns.bad.example')).toEqual([0, ACTION_NXDOMAIN, 0]);
    expect(actions(lists.names, 'ns.bad.example')).toEqual([0, ACTION_NODATA, 0]);
    expect(networkActions(lists, ADDRESS_TRIGGER.CLIENT_IP, '192.0.2.9')).toEqual([0, ACTION_NXDOMAIN, ACTION_NODATA]);
    expect(networkActions(lists, ADDRESS_TRIGGER.IP, '198.51.100.7')).toEqual([0, ACTION_NODATA, 0]);
    expect(networkActions(lists, ADDRESS_TRIGGER.IP, '198.51.100.8')).toEqual([0, 0, 0]);
  });

  test('say what they are as zones', () => {
    expect(lists.zones.map((zone) => zone && nameToText(zone.name))).toEqual([
      undefined,
      'zone.example',
      'rpz.invalid',
    ]);
    expect(lists.zones[1]).toMatchObject({ soaTtl: 60, minimumSeconds: 30 });
    expect(lists.zones[1]?.soa?.length).toBeGreaterThan(20);
    expect(lists.zones[2]?.soa).toBeUndefined();
  });

  test('are counted by list', () => {
    expect(statisticsOf(compiled, 0)).toEqual({ names: 2, duplicates: 0, conflicts: 0 });
    expect(statisticsOf(compiled, 1)).toEqual({ names: 5, duplicates: 1, conflicts: 0 });
    expect(statisticsOf(compiled, 2)).toEqual({ names: 1, duplicates: 0, conflicts: 0 });
    expect(statisticsOf(compiled, 3)).toEqual({ names: 0, duplicates: 0, conflicts: 0 });
  });
});

test('what no list has is not built', () => {
  const compiled = build(1, (builder) => read(builder, 0, 'domains', 'a.example\n'));
  expect(compiled.nameServers).toBeUndefined();
  expect(compiled.networks).toBeUndefined();
});

test('an unchanged list is taken over as it was, the others are read again', () => {
  const before = build(1, three);
  const after = build(2, (builder) => {
    builder.keep(before, 0b010);
    read(builder, 0, 'domains', 'new.example\n');
    read(builder, 2, 'domains', '');
  });
  const lists = new LoadedLists(after);
  expect(lists.version).toBe(2);
  expect(actions(lists.names, 'bad.example')).toEqual([0, ACTION_NXDOMAIN, 0]);
  expect(actions(lists.names, 'new.example')).toEqual([ACTION_LISTED, 0, 0]);
  expect(actions(lists.nameServers, 'ns.bad.example')).toEqual([0, ACTION_NXDOMAIN, 0]);
  expect(networkActions(lists, ADDRESS_TRIGGER.CLIENT_IP, '192.0.2.9')).toEqual([0, ACTION_NXDOMAIN, 0]);
  expect(lists.networks?.holders(ADDRESS_TRIGGER.CLIENT_IP)).toBe(0b010);
  expect(lists.zones.map((zone) => zone && nameToText(zone.name))).toEqual([undefined, 'zone.example', undefined]);
  expect(statisticsOf(after, 1)).toEqual(statisticsOf(before, 1));
});

test('a list is read or kept, and once', () => {
  const before = build(1, three);
  build(2, (builder) => {
    builder.sink(0);
    expect(() => builder.sink(0)).toThrow(RangeError);
    expect(() => builder.keep(before, 0b001)).toThrow(RangeError);
    builder.keep(before, 0b100);
    expect(() => builder.sink(2)).toThrow(RangeError);
    expect(() => builder.sink(32)).toThrow(RangeError);
    expect(() => builder.sink(-1)).toThrow(RangeError);
  });
});

test('buffers of a version that nobody holds serve a later one', () => {
  const memory = new ListsMemory();
  const first = build(1, three, memory);
  const second = build(2, three, memory);
  expect(second.names.buffer).not.toBe(first.names.buffer);
  memory.release(1);
  const reserved = memory.reservedBytes;
  const third = build(3, three, memory);
  expect(third.names.buffer).toBe(first.names.buffer);
  expect(third.nameServers?.buffer).toBe(first.nameServers?.buffer);
  expect(third.networks?.index.buffer).toBe(first.networks?.index.buffer);
  expect(memory.reservedBytes).toBe(reserved);
  expect(actions(new LoadedLists(third).names, 'bad.example')).toEqual([ACTION_LISTED, ACTION_NXDOMAIN, 0]);
});
