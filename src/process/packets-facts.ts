/** How UDP packets would be taken with a configuration, on this machine and by this user; and what is missing for more. Nothing is opened. */
import { networkInterfaces } from 'node:os';
import { FAST_PATH_CAPABILITIES, missingCapabilities } from '../bpf/capable.ts';
import type { Config } from '../config/config.ts';
import { AF_XDP, libc, nativeUnavailable, SOCK_CLOEXEC, SOCK_RAW } from '../system/libc.ts';
import { planFastPath } from '../transports/xdp/fast-path-plan.ts';
import { interfaceFacts } from '../transports/xdp/interface-facts.ts';
import { packetFilter } from '../transports/xdp/netfilter.ts';

export interface PacketsFacts {
  readonly asked: Config['server']['udp']['io'];
  /** The best that would run; where it is `xdp`, sockets still take what does not come by the interfaces named. */
  readonly runs: 'xdp' | 'mmsg' | 'dgram';
  readonly interfaces: readonly string[];
  /** What is missing for what was asked, one sentence each. */
  readonly missing: readonly string[];
}

/** Why no packets are taken past the sockets with this configuration, in words; undefined where they can be. */
export function fastPathFault({ server }: Pick<Config, 'server'>): string | undefined {
  if (process.platform !== 'linux') return 'AF_XDP is for Linux';
  const missing = missingCapabilities(FAST_PATH_CAPABILITIES);
  if (missing !== undefined) return missing;
  const c = libc();
  const fd = c.socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) return 'this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)';
  c.close(fd);
  if (server.udp.io !== 'auto') return undefined;
  const filter = packetFilter();
  return filter && `${filter}, and packets would go past them; say server.udp.io: xdp if that is meant`;
}

export function packetsFacts(config: Pick<Config, 'server'>): PacketsFacts {
  const { listen, workers, udp } = config.server;
  const facts = (runs: PacketsFacts['runs'], missing: readonly string[], interfaces: readonly string[] = []) => ({
    asked: udp.io,
    runs,
    interfaces,
    missing,
  });
  if (udp.io === 'dgram') return facts('dgram', []);
  const unavailable = nativeUnavailable();
  if (unavailable !== undefined) return facts('dgram', [unavailable]);
  if (udp.io === 'mmsg') return facts('mmsg', []);
  const fault = fastPathFault(config);
  if (fault !== undefined) return facts('mmsg', [fault]);
  const cautious = udp.io === 'auto';
  const addresses = networkInterfaces();
  const plan = planFastPath({ listen, workers, options: udp.xdp, addresses, facts: interfaceFacts, cautious });
  const interfaces = plan.interfaces.map(({ facts: { name }, queues }) => `${name} (${queues.length} queues)`);
  return facts(interfaces.length > 0 ? 'xdp' : 'mmsg', plan.reasons, interfaces);
}

/** Lines for people. What `auto` leaves out is told only where there is something that it takes. */
export function packetsText({ asked, runs, interfaces, missing }: PacketsFacts): string[] {
  const how = {
    xdp: `straight from ${interfaces.join(', ')} where the driver can, else by sockets in batches`,
    mmsg: 'by sockets, in batches',
    dgram: 'by sockets, one at a time, at several times the cost',
  }[runs];
  const told = asked === 'xdp' || runs === 'xdp' ? missing : [];
  return [how, ...told.map((each) => `by sockets: ${each}`)];
}
