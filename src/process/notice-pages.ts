/** Puts together what the pages of one configuration need. */
import { listFacts } from '../lists/list-config.ts';
import { BlockedNames } from '../notice/blocked-names.ts';
import { NoticeCounters } from '../notice/counters.ts';
import type { PagesDeps } from '../notice/deps.ts';
import type { PortalMemory } from '../notice/portal-memory.ts';
import { loadLinkKey, SignedLinks } from '../notice/signed-links.ts';
import { loadTemplates } from '../notice/templates.ts';
import { settingsError } from '../settings/errors.ts';
import type { Generation, ProcessParts } from './generation.ts';

/**
 * Rejects with SekishoError where templates or keys have become wrong since the configuration was checked: then what was in
 * force before stays.
 */
export async function pagesDeps(
  generation: Generation,
  { clock, log, audit }: Pick<ProcessParts, 'clock' | 'log' | 'audit'>,
  memory: PortalMemory,
): Promise<PagesDeps> {
  const { config, publications, metrics, subscribers } = generation;
  const { notice } = config;
  const { templates, problems } = await loadTemplates(notice.templatesFolder, notice.languages);
  const [problem] = problems;
  if (!templates) throw settingsError('SEKISHO_CONFIG_INVALID', `${problem?.file}: ${problem?.message}`);
  const names = new BlockedNames(config.lists.map(listFacts));
  names.follow(publications);
  return {
    config: notice,
    templates,
    names,
    state: subscribers?.state,
    links: await linksOf(notice, memory),
    memory,
    counters: new NoticeCounters(metrics),
    apiLeases: config.subscribers?.provisioning.portal ?? false,
    audit,
    clock,
    log,
  };
}

async function linksOf(
  { portal: { link } }: Generation['config']['notice'],
  memory: PortalMemory,
): Promise<SignedLinks | undefined> {
  if (!link) return undefined;
  const key = await loadLinkKey(link.key);
  if (typeof key === 'string') throw settingsError('SEKISHO_CONFIG_INVALID', `${link.key.file} ${key}`);
  return new SignedLinks(link, key, memory.usedLinks);
}
