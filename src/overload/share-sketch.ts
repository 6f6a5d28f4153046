/**
 * How many packets of each client were served in the current epoch, in fixed memory (client-places.ts): 128 KiB.
 *
 * Only what is served is counted, and only the smaller of a client's two places grows (conservative update): the heaviest
 * client cannot push its neighbours' counts beyond what it was served itself.
 */
import { type ClientPlaces, PLACES } from './client-places.ts';

/** What `serve` said. */
export const SERVED = 0;
export const OVER_HOST_SHARE = 1;
export const OVER_NETWORK_SHARE = 2;

/** Packets that a cell can count; more than any worker takes in an epoch. */
export const MAX_COUNT = 0xffff;

export class ShareSketch {
  readonly #hosts = new Uint16Array(2 * PLACES);
  readonly #networks = new Uint16Array(2 * PLACES);
  /** Most packets that one host was served since `clear`. */
  heaviest = 0;

  /** Count one packet of the client, unless its host has had `hostShare` already, or its network `networkShare`. */
  serve(client: ClientPlaces, hostShare: number, networkShare: number): number {
    const hosts = this.#hosts;
    const networks = this.#networks;
    const host0 = client.host0;
    const host1 = PLACES + client.host1;
    const network0 = client.network0;
    const network1 = PLACES + client.network1;
    const host = Math.min(hosts[host0]!, hosts[host1]!);
    if (host >= hostShare) return OVER_HOST_SHARE;
    const network = Math.min(networks[network0]!, networks[network1]!);
    if (network >= networkShare) return OVER_NETWORK_SHARE;
    const hostNow = Math.min(MAX_COUNT, host + 1);
    if (hosts[host0]! < hostNow) hosts[host0] = hostNow;
    if (hosts[host1]! < hostNow) hosts[host1] = hostNow;
    const networkNow = Math.min(MAX_COUNT, network + 1);
    if (networks[network0]! < networkNow) networks[network0] = networkNow;
    if (networks[network1]! < networkNow) networks[network1] = networkNow;
    if (hostNow > this.heaviest) this.heaviest = hostNow;
    return SERVED;
  }

  /** A new epoch begins. */
  clear(): void {
    this.#hosts.fill(0);
    this.#networks.fill(0);
    this.heaviest = 0;
  }
}
