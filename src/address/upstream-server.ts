/** A server that questions are forwarded to. */
import type { Endpoint } from './address.ts';

export interface UpstreamServer extends Endpoint {
  /** Its AD bit is believed and may be passed on (RFC 4035 §3.2.3): it validates, and the way to it is safe. */
  readonly trusted: boolean;
}
