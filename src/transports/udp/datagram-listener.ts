import type { ReplyRoute } from '../../chain/routes.ts';

/**
 * The UDP listening side of a worker. Three implementations stand behind this: frames straight from the network interface
 * (xdp/xdp-listener.ts), batches of system calls on Linux (mmsg-listener.ts) and node:dgram everywhere (dgram-listener.ts). One
 * test suite, udp-suite.ts, runs on all.
 */
export interface DatagramListener extends ReplyRoute {
  readonly kind: 'mmsg' | 'dgram' | 'xdp';
  /** What was really bound, one entry per socket; port 0 of the configuration shows as the port that was given. */
  readonly bound: readonly { address: string; port: number }[];
  /** Let the answers go that `send` has gathered. */
  flush(): void;
  /**
   * Take no more queries; answers to those that wait can still be sent. `leaving` are the listeners whose sockets nobody
   * takes over: what comes for them goes to others that share the port from now on, or nowhere.
   */
  stopReceiving(leaving: readonly number[]): void;
  close(): void;
}
