/** `notice` as configured, every value checked. Plain data. Made by config/notice-section.ts. */
import type { Endpoint } from '../address/address.ts';
import type { Language } from './languages.ts';

/** How the ISP's member site vouches for a subscriber (signed-links.ts). */
export interface LinkConfig {
  /**
   * Absolute: a file with a secret shared with the member site (HS256), or with its public keys (JWKS). What is in it stays
   * out of the configuration, and so out of every worker and log.
   */
  readonly key: { readonly kind: 'secret' | 'jwks'; readonly file: string };
  readonly issuer: string;
  readonly audience: string;
  /** Claim that holds the subscriber number. */
  readonly claim: string;
  /** A link may last no longer than that. */
  readonly maxAgeMs: number;
}

export interface NoticeConfig {
  /** None: no page is shown. */
  readonly listen: readonly Endpoint[];
  /** Nobody asked for these addresses: where one is taken, the server runs without it. */
  readonly listenIsDefault: boolean;
  /** Where blocked names lead; undefined: nowhere. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** At least one; the first is shown to whoever asks for none of them. */
  readonly languages: readonly Language[];
  /** Absolute; undefined: the texts that come with the server. */
  readonly templatesFolder: string | undefined;
  /** Name shown on the pages, and where to turn to, as a URI. */
  readonly operator: { readonly name: string | undefined; readonly contact: string | undefined };
  /** Networks of reverse proxies whose X-Forwarded-For is believed. */
  readonly proxies: readonly string[];
  readonly portal: {
    /** Where subscribers find the portal, as they type it; ends in `/`. */
    readonly url: string;
    /** `url` was configured, so that it may be told to others. */
    readonly isPublic: boolean;
    /** Lower-case values of the Host header, without port, that the portal answers to. */
    readonly hosts: readonly string[];
    /** The line tells who the subscriber is. */
    readonly line: boolean;
    readonly link: LinkConfig | undefined;
  };
}
