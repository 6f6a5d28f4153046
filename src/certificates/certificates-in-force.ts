/** What a packet thread shows to clients of encrypted transports. */

/** Of one address of `server.listen`. */
export interface ShownCertificates {
  /** As configured. */
  readonly endpoint: string;
  /** The first is shown to whoever asks for no name, or for none that is here. */
  readonly pairs: readonly { readonly chain: string; readonly key: string; readonly names: readonly string[] }[];
}

export interface PublishedCertificates {
  readonly shown: readonly ShownCertificates[];
  readonly ticketKeys: Uint8Array;
}

export class CertificatesInForce {
  #published: PublishedCertificates | undefined;
  readonly #followers = new Set<() => void>();

  of(endpoint: string): ShownCertificates | undefined {
    return this.#published?.shown.find((each) => each.endpoint === endpoint);
  }

  get ticketKeys(): Uint8Array | undefined {
    return this.#published?.ticketKeys;
  }

  /** `changed` is called for each publication from now on. */
  follow(changed: () => void): void {
    this.#followers.add(changed);
  }

  take(published: PublishedCertificates): void {
    this.#published = published;
    for (const changed of this.#followers) changed();
  }
}
