/** What a test gives to a mounted plugin, and gets of it. */
import type { Answer as PacketAnswer } from 'dns-packet';
import type { DecidingHook, Explanation, ServerFacts, Verdict } from '../contract/plugin.ts';
import type { ListsInForce } from '../lists/in-force.ts';
import type { ListedRule } from '../rules/compile.ts';
import type { MeasuresInForce } from '../rules/in-force.ts';
import type { SubscribersInForce } from '../subscribers/in-force.ts';
import type { ManualClock } from '../time/clock.ts';
import type { Transport } from '../wire/transports.ts';

/** A query as a test writes it. */
export interface Ask {
  readonly name: string;
  /** Default A. */
  readonly type?: string;
  /** Default 127.0.0.1. */
  readonly client?: string;
  readonly port?: number;
  /** Default `udp`. */
  readonly transport?: Transport['name'];
  /** Default 1232; 0 = no EDNS. */
  readonly udpSize?: number;
  /** Set the DO bit. */
  readonly dnssecOk?: boolean;
  /** Data of a COOKIE option (RFC 7873): 8 bytes of the client's, with those of `Reply.cookie` behind them. */
  readonly cookie?: Uint8Array;
  /** The whole message instead, for what no encoder would write. */
  readonly bytes?: Uint8Array;
}

/** A reply as the client sees it; undefined fields of a query that got none are left out. */
export interface Reply {
  /** False where nothing was sent. */
  readonly sent: boolean;
  /** Why nothing was sent or who decided, for assertions on the inside. */
  readonly dropReason: number;
  readonly rcode: string;
  readonly truncated: boolean;
  readonly authenticData: boolean;
  /** Info code of the extended error, or EDE.NONE. */
  readonly ede: number;
  /** Client and server cookie, 24 bytes; empty where the query had none. */
  readonly cookie: Uint8Array;
  readonly answers: readonly PacketAnswer[];
  readonly authorities: readonly PacketAnswer[];
  readonly additionals: readonly PacketAnswer[];
  readonly bytes: Uint8Array;
}

/** Records of an answer, or that there is none. */
export type UpstreamSays = readonly PacketAnswer[] | UpstreamReply | 'nxdomain' | 'servfail' | 'timeout';

export interface MountOptions {
  readonly clock?: ManualClock;
  readonly server?: Partial<ServerFacts>;
  /**
   * What the upstream says to a question the cache does not hold: its answer section, or the sections one by one, or
   * `undefined` for no answer at all, or a word for what went wrong. Default: an A record 192.0.2.99 with TTL 300.
   */
  readonly upstream?: (name: string, type: string) => UpstreamSays | undefined;
  readonly shared?: unknown;
  /** Default: none. */
  readonly lists?: ListsInForce;
  /** Default: nobody is known. */
  readonly subscribers?: SubscribersInForce;
}

/** An upstream's reply. */
export interface UpstreamReply {
  readonly answers?: readonly PacketAnswer[];
  readonly authorities?: readonly PacketAnswer[];
  readonly additionals?: readonly PacketAnswer[];
  /** Default 0. */
  readonly rcode?: number;
  /** The upstream is trusted and says that it has validated. */
  readonly authenticData?: boolean;
}

export interface Mounted {
  readonly clock: ManualClock;
  /** Send a query; resolves when it was answered, dropped or, where it waits, once it was answered. */
  ask(query: Ask): Promise<Reply>;
  /**
   * What `sekisho explain` would say about the query, by the same rehearsal: the plugin's step that decides, else its first;
   * or that of `hook`. Undefined where it would not come to that. State in memory that `control` shares is seen where
   * `MountOptions.shared` gives it.
   */
  explain(query: Ask, hook?: DecidingHook): (Explanation & { readonly verdict: Verdict }) | undefined;
  /** Value of a counter, by its full name and some of its labels. */
  counter(name: string, labels?: Record<string, string>): number;
  /** Names that were to be fetched again because they are popular and about to expire. */
  readonly refreshed: readonly string[];
  /** Hand `value` to the `update` hook, as `ControlContext.publish` does. */
  publish(value: unknown): void;
  /** Put measures in force, as the desk does, instead of those before. Returns how often each matched, and limited. */
  measures(measures: readonly ListedRule[]): () => readonly { matched: number; limited: number }[];
  /** Let `ms` pass, deadlines of deferred queries included. */
  advance(ms: number): void;
}

/** What a test that opens the features lends to the hooks. */
export interface LentToHooks {
  readonly lists: ListsInForce;
  readonly subscribers: SubscribersInForce;
  readonly measures: MeasuresInForce;
}
