import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IP53B_FORMATS, type Ip53bConfig, ip53b } from './ip53b.ts';

const CONFIG: Ip53bConfig = {
  dynamic: ['198.51.100.0/24', '203.0.113.0/24', '203.0.113.64/26', '2001:db8:d::/48'],
  fixed: ['198.51.100.32/28', '203.0.113.7/32', '2001:db8:d:f::/64'],
  servers: ['192.0.2.53/32'],
  inbound: [123, 53, 53],
  outbound: [53],
};

test.each(IP53B_FORMATS)('%s: what it writes', (format) => {
  expect(ip53b(CONFIG, format)).toMatchSnapshot();
});

test.each(IP53B_FORMATS)(
  '%s: the order in which networks and ports stand in the configuration does not matter',
  (format) => {
    const shuffled = fc.tuple(
      fc.shuffledSubarray([...CONFIG.dynamic], { minLength: 4 }),
      fc.shuffledSubarray([...CONFIG.fixed], { minLength: 3 }),
    );
    fc.assert(
      fc.property(shuffled, ([dynamic, fixed]) => {
        const other = { ...CONFIG, dynamic, fixed, inbound: [53, 123] };
        return ip53b(other, format) === ip53b(CONFIG, format);
      }),
      { numRuns: 20 },
    );
  },
);

test.each(IP53B_FORMATS)('%s: with no dynamic network nothing is filtered', (format) => {
  expect(ip53b({ ...CONFIG, dynamic: [] }, format)).not.toMatch(/udp dport|DROP|discard|deny/);
});

test.each(IP53B_FORMATS)('%s: a direction without ports is left out', (format) => {
  const text = ip53b({ ...CONFIG, outbound: [] }, format);
  expect(text).not.toMatch(/sport|IP53B-OUT|ip53b-out/);
  expect(text).toMatch(/dport|IP53B-IN|ip53b-in/);
});

/** Programs of the system that can say what a filter means. Root in a network namespace of the test's own. */
const namespaces =
  process.getuid?.() === 0 &&
  ['nft', 'iptables', 'ip6tables', 'ip'].every((program) => spawnSync('which', [program]).status === 0) &&
  spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']).status === 0;

describe.skipIf(!namespaces)('in a network namespace of its own', () => {
  /** Run a shell script there. Interfaces: `world` 192.0.2.53/24 and .1, `home` with the subscribers behind a router. */
  function inNamespace(script: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'ip53b-'));
    const file = join(folder, 'script.sh');
    writeFileSync(file, `set -e\n${script}\n`);
    const { status, stdout, stderr } = spawnSync('unshare', ['-n', '-m', 'sh', file], {
      encoding: 'utf8',
      timeout: 28_000,
    });
    if (status !== 0) throw new Error(`status ${status}: ${stderr}${stdout}`);
    return stdout;
  }
  const fileWith = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'ip53b-')), 'filter');
    writeFileSync(file, text);
    return file;
  };

  test('nft and both iptables take what is written, twice in a row', () => {
    const nft = fileWith(ip53b(CONFIG, 'nftables'));
    const shown = inNamespace(`nft -f ${nft}\nnft -f ${nft}\nnft list table inet sekisho_ip53b`);
    expect(shown.match(/counter packets 0 bytes 0 drop/g)).toHaveLength(4);
    const script = fileWith(ip53b(CONFIG, 'iptables'));
    const rules = inNamespace(`sh ${script}\nsh ${script}\niptables -S\nip6tables -S`);
    expect(rules.match(/-A FORWARD -p udp -j IP53B-IN/g)).toHaveLength(2);
    expect(rules.match(/-j DROP/g)).toHaveLength(9);
  });

  test('an empty filter loads as well', () => {
    for (const config of [
      { ...CONFIG, dynamic: [] },
      { ...CONFIG, fixed: [], servers: [], inbound: [] },
    ])
      inNamespace(`nft -f ${fileWith(ip53b(config, 'nftables'))}`);
  });

  /** Sends datagrams through a router that holds the filter; prints those that arrive. */
  const PROBE = `
import socket, sys
def send(source, sport, target, dport):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((source, sport))
    s.sendto(('%s %d %s %d' % (source, sport, target, dport)).encode(), (target, dport))
    s.close()
for line in sys.stdin:
    source, sport, target, dport = line.split()
    send(source, int(sport), target, int(dport))
`;
  const LISTEN = `
import socket, select, sys, time
sockets = []
for end in sys.argv[1:]:
    address, port = end.split(':')
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    sockets.append(s)
print('ready', flush=True)
end = time.time() + 20
while time.time() < end:
    for s in select.select(sockets, [], [], 0.2)[0]:
        data = s.recv(100).decode()
        print(data, flush=True)
`;

  test('of what crosses a router only UDP of servers on dynamic addresses is dropped', () => {
    const nft = fileWith(ip53b(CONFIG, 'nftables'));
    const [listen, probe] = [fileWith(LISTEN), fileWith(PROBE)];
    const world = '192.0.2.1';
    const dynamic = '198.51.100.1';
    const fixed = '198.51.100.33';
    const inwards = [
      [world, 4000, dynamic, 53],
      [world, 4001, dynamic, 123],
      [world, 4002, dynamic, 4500],
      [world, 53, dynamic, 4501],
      [world, 4003, fixed, 53],
      ['192.0.2.53', 4004, dynamic, 53],
    ] as const;
    const outwards = [
      [dynamic, 53, world, 5000],
      [dynamic, 123, world, 5001],
      [dynamic, 5002, world, 53],
      [fixed, 53, world, 5003],
      [dynamic, 53, '192.0.2.53', 5004],
    ] as const;
    const lines = (list: readonly (readonly [string, number, string, number])[]) =>
      list.map((one) => one.join(' ')).join('\\n');
    const ends = (list: readonly (readonly [string, number, string, number])[]) =>
      [...new Set(list.map(([, , target, port]) => `${target}:${port}`))].join(' ');
    // Three namespaces inside this one: the world, the router, the subscribers.
    const output = inNamespace(`
mount -t tmpfs none /run
for n in world router home; do ip netns add $n; ip -n $n link set lo up; done
ip link add name vworld type veth peer name vone
ip link add name vhome type veth peer name vtwo
ip link set vworld netns world; ip link set vone netns router; ip link set vtwo netns router; ip link set vhome netns home
ip -n world addr add 192.0.2.1/24 dev vworld; ip -n world addr add 192.0.2.53/24 dev vworld; ip -n world link set vworld up
ip -n router addr add 192.0.2.254/24 dev vone; ip -n router addr add 198.51.100.254/24 dev vtwo
ip -n router link set vone up; ip -n router link set vtwo up
ip -n home addr add 198.51.100.1/24 dev vhome; ip -n home addr add 198.51.100.33/24 dev vhome; ip -n home link set vhome up
ip -n world route add default via 192.0.2.254; ip -n home route add default via 198.51.100.254
ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip netns exec router nft -f ${nft}
ip netns exec home python3 ${listen} ${ends(inwards)} > /run/home & A=$!
ip netns exec world python3 ${listen} ${ends(outwards)} > /run/world & B=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q ready /run/home && grep -q ready /run/world && break; sleep 0.2; done
printf '${lines(inwards)}\\n' | ip netns exec world python3 ${probe}
printf '${lines(outwards)}\\n' | ip netns exec home python3 ${probe}
sleep 1
kill $A $B
cat /run/home /run/world
ip netns exec router nft list table inet sekisho_ip53b | grep counter`);
    const arrived = output.split('\n').filter((line) => /^\d/.test(line));
    expect(arrived.sort()).toEqual(
      [inwards[2], inwards[3], inwards[4], inwards[5], outwards[1], outwards[2], outwards[3], outwards[4]]
        .map((one) => one.join(' '))
        .sort(),
    );
    // What was dropped was counted.
    expect(output).toMatch(/dport \{ 53, 123 \} ip daddr .* counter packets 2 /);
    expect(output).toMatch(/sport .*53.* ip saddr .* counter packets 1 /);
  });
});
