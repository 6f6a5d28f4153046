/** A server to ask: its address, and its place in the table of servers. */
import type { ServerPlace } from './server-memory.ts';

export interface AuthorityServer {
  readonly address: Int32Array;
  readonly port: number;
  readonly place: ServerPlace;
}
