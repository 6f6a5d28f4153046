/** The part of loading that is about the notice page and the portal: its templates and keys are looked at too. */
import { addressWords, type Endpoint, isLoopback } from '../../address/address.ts';
import type { Finding } from '../../settings/finding.ts';
import type { Found } from '../../settings/found.ts';
import { check } from '../../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../../settings/yaml-source.ts';
import type { NoticeConfig } from '../notice-config.ts';
import { noticeConfig, noticeFindings, noticeSchema } from './notice-section.ts';

export interface LoadedNotice {
  /** Undefined where the section itself is wrong. With problems of its texts or keys it is there, so that nobody else misses it. */
  readonly notice: NoticeConfig | undefined;
  readonly dangers: readonly Finding[];
  readonly problems: readonly ConfigProblem[];
}

/** Listeners of other sections, which the page's must not meet. */
export interface OtherListeners {
  readonly server: { readonly listen: readonly Endpoint[] } | undefined;
  readonly admin: { readonly listen: Endpoint } | undefined;
}

export async function loadNotice(
  raw: Record<string, unknown>,
  { server, admin }: OtherListeners,
  found: Found,
  source: ConfigSource,
): Promise<LoadedNotice> {
  const refused = (problems: readonly ConfigProblem[]): LoadedNotice => ({ notice: undefined, dangers: [], problems });
  const given = Object.hasOwn(raw, 'notice') ? (raw['notice'] ?? {}) : undefined;
  const { data, problems = [] } = check(noticeSchema, given, source, ['notice']);
  if (!data) return refused(problems);
  const taken = [
    ...(server?.listen ?? []).map((endpoint) => ({ key: 'server.listen', endpoint })),
    ...(admin ? [{ key: 'admin.listen', endpoint: admin.listen }] : []),
  ];
  const hasListen = typeof given === 'object' && given !== null && Object.hasOwn(given, 'listen');
  // An address that nobody asked for is given up where it is taken.
  const findings = noticeFindings(data, hasListen ? taken : []);
  if (findings.length > 0) return refused(findings.map(({ path, message }) => source.problem(path, message)));
  const notice = noticeConfig(data, hasListen, found.baseFolder);
  // Commands that only look for the admin API need neither the validator nor the cryptography.
  const { loadTemplates } = await import('../templates.ts');
  const { problems: textProblems } = await loadTemplates(notice.templatesFolder, notice.languages);
  const keyProblem = await linkKeyProblem(notice, source);
  const all = [...textProblems, ...keyProblem];
  return { notice, dangers: all.length > 0 ? [] : dangers(notice), problems: all };
}

async function linkKeyProblem({ portal }: NoticeConfig, source: ConfigSource): Promise<ConfigProblem[]> {
  if (!portal.link) return [];
  const { key } = portal.link;
  const { loadLinkKey } = await import('../signed-links.ts');
  const loaded = await loadLinkKey(key);
  if (typeof loaded !== 'string') return [];
  const name = key.kind === 'secret' ? 'secret-file' : 'jwks-file';
  return [source.problem(['notice', 'portal', 'link', name], `'${key.file}' ${loaded}`)];
}

/** Allowed, and the log says so at every start. */
function dangers({ portal, listen, ipv4, ipv6 }: NoticeConfig): Finding[] {
  const findings: Finding[] = [];
  const leads = ipv4 ?? ipv6;
  const onLoopback = listen.length > 0 && listen.every(({ address }) => isLoopback(addressWords(address)));
  if (leads !== undefined && onLoopback && !isLoopback(addressWords(leads)))
    findings.push({
      path: ['notice', 'listen'],
      message: `blocked names lead to ${leads}, but the page listens on loopback alone: something must bring visitors there`,
    });
  if (portal.link && new URL(portal.url).protocol !== 'https:')
    findings.push({
      path: ['notice', 'portal', 'url'],
      message: 'signed links and sessions cross the network unencrypted: write https:// and let a proxy add TLS',
    });
  return findings;
}
