/** The filter of ip53b.ts in the words of each kind of router. */
import type { FamilyFilter, Filter } from './filter.ts';

/** First lines of every format; `mark` begins a comment. */
function heading(mark: string): string[] {
  return [
    `${mark} IP53B: UDP towards and from servers on dynamic addresses. Made by Sekisho from its configuration (ip53b);`,
    `${mark} do not edit by hand.`,
  ];
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}

/** `nft -f`: a table of its own, replaced as a whole, on what the machine forwards. */
export function nftablesText({ families, inbound, outbound }: Filter): string {
  const sets = families.flatMap(({ family, dynamic, fixed, servers }) =>
    Object.entries({ dynamic, fixed, servers }).flatMap(([name, networks]) => [
      `  set ${name}${family} {`,
      `    type ipv${family}_addr; flags interval;`,
      // nft refuses an empty list.
      ...(networks.length > 0 ? [`    elements = { ${networks.join(', ')} }`] : []),
      '  }',
    ]),
  );
  const rules = families.flatMap(({ family }) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    const rule = (port: string, ports: readonly number[], own: string, other: string) =>
      ports.length === 0
        ? []
        : [
            `    udp ${port} { ${ports.join(', ')} } ${ip} ${own} @dynamic${family} ${ip} ${own} != @fixed${family} ${ip} ${other} != @servers${family} counter drop`,
          ];
    return [...rule('dport', inbound, 'daddr', 'saddr'), ...rule('sport', outbound, 'saddr', 'daddr')];
  });
  return text([
    ...heading('#'),
    // Declared first, so that deleting it never fails.
    'table inet sekisho_ip53b',
    'delete table inet sekisho_ip53b',
    'table inet sekisho_ip53b {',
    ...sets,
    '  chain forward {',
    '    type filter hook forward priority filter; policy accept;',
    ...rules,
    '  }',
    '}',
  ]);
}

/** A shell script of iptables and ip6tables commands: chains of its own, filled again each time it runs. */
export function iptablesText({ families, inbound, outbound }: Filter): string {
  const commands = families.flatMap(({ family, dynamic, fixed, servers }) => {
    const command = family === 4 ? 'iptables -w' : 'ip6tables -w';
    const chain = (name: string, flag: string, ports: readonly number[], own: string, other: string): string[] => {
      if (ports.length === 0) return [];
      return [
        `${command} -N ${name} 2>/dev/null || ${command} -F ${name}`,
        ...servers.map((network) => `${command} -A ${name} ${other} ${network} -j RETURN`),
        ...fixed.map((network) => `${command} -A ${name} ${own} ${network} -j RETURN`),
        ...dynamic.flatMap((network) =>
          // multiport takes 15 ports at most; one rule a port has no such limit.
          ports.map((port) => `${command} -A ${name} -p udp ${flag} ${port} ${own} ${network} -j DROP`),
        ),
        `${command} -C FORWARD -p udp -j ${name} 2>/dev/null || ${command} -I FORWARD -p udp -j ${name}`,
      ];
    };
    return [
      ...chain('IP53B-IN', '--dport', inbound, '-d', '-s'),
      ...chain('IP53B-OUT', '--sport', outbound, '-s', '-d'),
    ];
  });
  return text(['#!/bin/sh', ...heading('#'), 'set -e', ...commands]);
}

/** `load set terminal`: prefix lists and two filters for each family, to be put on the interfaces towards subscribers. */
export function junosText({ families, inbound, outbound }: Filter): string {
  const lines = families.flatMap(({ family, dynamic, fixed, servers }) => {
    const inet = family === 4 ? 'inet' : 'inet6';
    const protocol = family === 4 ? 'protocol' : 'next-header';
    const list = (name: string, networks: readonly string[]) =>
      networks.map((network) => `set policy-options prefix-list ip53b-${name}-v${family} ${network}`);
    const filter = (name: string, ports: readonly number[], own: string, other: string): string[] => {
      if (ports.length === 0) return [];
      const at = `set firewall family ${inet} filter ip53b-${name}-v${family} term`;
      const exempt = (term: string, direction: string, networks: readonly string[]) =>
        networks.length === 0
          ? []
          : [`${at} ${term} from ${direction}-prefix-list ip53b-${term}-v${family}`, `${at} ${term} then accept`];
      return [
        ...exempt('servers', other, servers),
        ...exempt('fixed', own, fixed),
        `${at} drop from ${own}-prefix-list ip53b-dynamic-v${family}`,
        `${at} drop from ${protocol} udp`,
        ...ports.map((port) => `${at} drop from ${own}-port ${port}`),
        `${at} drop then count ip53b-${name}-v${family}`,
        `${at} drop then discard`,
        `${at} rest then accept`,
      ];
    };
    return [
      ...list('dynamic', dynamic),
      ...list('fixed', fixed),
      ...list('servers', servers),
      ...filter('in', inbound, 'destination', 'source'),
      ...filter('out', outbound, 'source', 'destination'),
    ];
  });
  return text([...heading('#'), ...lines]);
}

/** Access lists, to be put on the interfaces towards subscribers: `-in` on egress to them, `-out` on ingress from them. */
export function iosXrText({ families, inbound, outbound }: Filter): string {
  const list = (one: FamilyFilter, name: string, ports: readonly number[], towards: boolean): string[] => {
    if (ports.length === 0) return [];
    const ip = one.family === 4 ? 'ipv4' : 'ipv6';
    const entries = [
      ...one.servers.map((network) => `permit ${ip} ${towards ? `${network} any` : `any ${network}`}`),
      ...one.fixed.map((network) => `permit ${ip} ${towards ? `any ${network}` : `${network} any`}`),
      ...one.dynamic.flatMap((network) =>
        ports.map((port) => `deny udp ${towards ? `any ${network} eq ${port}` : `${network} eq ${port} any`}`),
      ),
      `permit ${ip} any any`,
    ];
    return [
      `${ip} access-list ip53b-${name}-v${one.family}`,
      ...entries.map((entry, i) => ` ${(i + 1) * 10} ${entry}`),
      '!',
    ];
  };
  const lines = families.flatMap((one) => [...list(one, 'in', inbound, true), ...list(one, 'out', outbound, false)]);
  return text([...heading('!'), ...lines]);
}
