/**
 * `notice` in the configuration: the notice page and the opt-out portal. The schema says what each key may hold; what keys
 * have to do with each other is checked below it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import {
  AddressError,
  addressText,
  addressWords,
  type Endpoint,
  endpointText,
  isLoopback,
  isMapped,
  isWildcard,
  parseEndpoint,
  parsePrefix,
} from '../../address/address.ts';
import type { Finding } from '../../settings/finding.ts';
import { durationMs } from '../../settings/units.ts';
import { LANGUAGES } from '../languages.ts';
import type { LinkConfig, NoticeConfig } from '../notice-config.ts';

/** Listens here unless told otherwise. */
export const DEFAULT_NOTICE_LISTEN = '127.0.0.1:8080';
/** RFC 1035 §2.3.4, in letters that a Host header may hold. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
export const CONTACT = /^(mailto:|tel:|sips:|https:\/\/)[\x21-\x7e]+$/;

const linkSchema = z.strictObject({
  'secret-file': z
    .string()
    .min(1)
    .optional()
    .describe('File with a secret of at least 32 characters, shared with the member site (HS256).'),
  'jwks-file': z
    .string()
    .min(1)
    .optional()
    .describe('File with the public keys of the member site (JWKS; ES256, EdDSA, PS256, RS256).'),
  issuer: z.string().min(1).max(200).describe('What the member site calls itself (`iss`).'),
  audience: z
    .string()
    .min(1)
    .max(200)
    .default('sekisho-portal')
    .describe('For whom the link was made (`aud`); no other is taken.'),
  claim: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.:/-]{0,99}$/, 'must be the name of a claim')
    .default('sub')
    .describe('Claim that holds the subscriber number.'),
  'max-age': durationMs({ min: '10s', max: '1h' })
    .prefault('5m')
    .describe('A link that was made to last longer (`exp` less `iat`) is refused.'),
});

export const noticeSchema = z
  .strictObject({
    listen: z
      .union([z.string(), z.array(z.string()).min(1).max(8)])
      .default(DEFAULT_NOTICE_LISTEN)
      .meta({ typeText: 'address:port, a list of them, or `off`' })
      .describe(
        'Addresses of the notice page and the opt-out portal (HTTP), IPv4 and IPv6 each one of its own. Browsers come to port 80. Without this key a port that is taken is a warning, with it an error. Port 0 = any free one.',
      ),
    ipv4: z
      .ipv4()
      .optional()
      .describe('Address that blocked names lead to (A), where `listen` or what stands in front of it is reached.'),
    ipv6: z.string().optional().describe('The same as AAAA.'),
    languages: z
      .array(z.enum(LANGUAGES))
      .min(1)
      .max(LANGUAGES.length)
      .default(['ja', 'en'])
      .describe('Languages of the pages; the first is shown to whoever asks for none of them.'),
    templates: z
      .string()
      .min(1)
      .optional()
      .describe('Folder with the operator’s own texts. A file that is not there is taken from those that come along.'),
    operator: z
      .strictObject({
        name: z.string().min(1).max(60).optional().describe('Name of the operator, on the pages and with each block.'),
        contact: z
          .string()
          .max(100)
          .regex(CONTACT, 'write a URI: mailto:…, tel:…, sips:… or https://…')
          .optional()
          .describe('Where a subscriber can ask or complain, as a URI: `mailto:…`, `tel:…` or `https://…`.'),
      })
      .prefault({})
      .describe('Who speaks on the pages.'),
    portal: z
      .strictObject({
        url: z
          .string()
          .max(100)
          .optional()
          .describe(
            'Where subscribers find the opt-out portal, such as `https://optout.isp.example/`. Told with each block. Without it: the notice address.',
          ),
        line: z
          .boolean()
          .default(true)
          .describe('Recognise subscribers by the line they come from. `false`: by a signed link alone.'),
        link: linkSchema.optional().describe('Signed links (JWT) of the member site, for those whom no line tells.'),
      })
      .prefault({})
      .describe('Where subscribers see and change their consent.'),
    proxies: z
      .array(z.string())
      .max(100)
      .default([])
      .describe(
        'Networks of reverse proxies: they alone say where a visitor comes from, address and port together (`Forwarded`, or X-Forwarded-For with X-Client-Port). Half of it is nobody.',
      ),
  })
  .prefault({})
  .describe('The notice page and the opt-out portal.');

type Section = z.output<typeof noticeSchema>;

/** What is wrong beyond what the schema says. `taken`: other listening addresses (TCP), by key. */
export function noticeFindings(section: Section, taken: readonly { key: string; endpoint: Endpoint }[]): Finding[] {
  const findings: Finding[] = [];
  const complain = (path: Finding['path'], message: string) => findings.push({ path: ['notice', ...path], message });
  const texts = addressesOf(section.listen);
  texts.forEach((text, i) => {
    const path = typeof section.listen === 'string' ? ['listen'] : ['listen', i];
    const endpoint = attempt(() => parseEndpoint(text, { minPort: 0 }));
    if (typeof endpoint === 'string') complain(path, endpoint);
    else if (texts.indexOf(text) < i) complain(path, `${text} is listed twice`);
    else
      for (const { key, endpoint: other } of taken)
        if (endpoint.port !== 0 && endpointText(other) === endpointText(endpoint))
          complain(path, `is taken by ${key} (TCP)`);
  });
  if (section.ipv6 !== undefined && !isIPv6(section.ipv6))
    complain(['ipv6'], `'${section.ipv6}' is not an IPv6 address`);
  section.languages.forEach((language, i) => {
    if (section.languages.indexOf(language) < i) complain(['languages', i], `${language} is listed twice`);
  });
  section.proxies.forEach((text, i) => {
    const prefix = attempt(() => parsePrefix(text));
    if (typeof prefix === 'string') complain(['proxies', i], prefix);
    else if (prefix.bits === 0 || prefix.bits === 96)
      complain(['proxies', i], 'would let every visitor say who it is: name the proxies alone');
  });
  const { url, link, line } = section.portal;
  if (url !== undefined && portalUrl(url) === undefined)
    complain(['portal', 'url'], 'write http://HOST/ or https://HOST/, without a path');
  if (link && (link['secret-file'] === undefined) === (link['jwks-file'] === undefined))
    complain(['portal', 'link'], 'needs a key to verify links with: either secret-file or jwks-file');
  if (!line && !link) complain(['portal', 'line'], 'false needs portal.link: nobody could be recognised');
  return findings;
}

/** Only for a section without findings. `hasListen`: the file says where to listen. */
export function noticeConfig(section: Section, hasListen: boolean, baseFolder: string): NoticeConfig {
  const listen = addressesOf(section.listen).map((text) => parseEndpoint(text, { minPort: 0 }));
  const { portal, ipv4, ipv6 } = section;
  const addresses = [ipv4, ipv6, ...listen.map(({ address }) => address)].filter((address) => address !== undefined);
  // What stands for every address of the machine stands in no Host header.
  const words = addresses.map(addressWords).filter((each) => !isWildcard(each));
  const own = words.map((each) => bracketed(addressText(each)));
  const port = [undefined, 0, 80].includes(listen[0]?.port) ? '' : `:${listen[0]?.port}`;
  const url =
    (portal.url === undefined ? undefined : portalUrl(portal.url)) ??
    new URL(`http://${own[0] ?? 'localhost'}${port}/`);
  return {
    listen,
    listenIsDefault: !hasListen,
    ipv4,
    ipv6,
    languages: section.languages,
    templatesFolder: section.templates === undefined ? undefined : resolve(baseFolder, section.templates),
    operator: { name: section.operator.name, contact: section.operator.contact },
    proxies: section.proxies,
    portal: {
      url: url.href,
      isPublic: portal.url !== undefined,
      hosts: [...new Set([url.hostname, ...own, ...(words.some(isLoopback) ? ['localhost'] : [])])],
      line: portal.line,
      link: portal.link && linkConfig(portal.link, baseFolder),
    },
  };
}

function linkConfig(link: z.output<typeof linkSchema>, baseFolder: string): LinkConfig {
  const secret = link['secret-file'];
  return {
    key: {
      kind: secret === undefined ? 'jwks' : 'secret',
      file: resolve(baseFolder, secret ?? link['jwks-file'] ?? ''),
    },
    issuer: link.issuer,
    audience: link.audience,
    claim: link.claim,
    maxAgeMs: link['max-age'],
  };
}

/** The addresses of `listen`; none for `off`. */
function addressesOf(listen: Section['listen']): readonly string[] {
  if (typeof listen !== 'string') return listen;
  return listen === 'off' ? [] : [listen];
}

/** An address of the portal: a host, perhaps a port, and nothing else. */
function portalUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && !url.password;
  if (!plain || !/^https?:$/.test(url.protocol)) return undefined;
  return HOST_NAME.test(url.hostname) || url.hostname.startsWith('[') ? url : undefined;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function isIPv6(text: string): boolean {
  try {
    return !isMapped(addressWords(text));
  } catch (error) {
    if (error instanceof AddressError) return false;
    throw error;
  }
}

function attempt<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof AddressError) return error.message;
    throw error;
  }
}
