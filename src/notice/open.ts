/** The pages' listener as long as the process lives, and what the pages of one configuration need. */
import { endpointText } from '../address/address.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { FLEET } from '../fleet/feature.ts';
import { LISTS } from '../lists/feature.ts';
import { settingsError } from '../settings/errors.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import type { SubscribersConfig } from '../subscribers/subscribers-config.ts';
import { TERMINALS } from '../terminals/feature.ts';
import { BlockedNames } from './blocked-names.ts';
import { NoticeCounters } from './counters.ts';
import type { PagesDeps } from './deps.ts';
import type { NoticeConfig } from './notice-config.ts';
import { PortalMemory } from './portal-memory.ts';
import { NoticeServer } from './server.ts';
import { PostgresPortal } from './shared-portal.ts';
import { loadLinkKey, SignedLinks } from './signed-links.ts';
import { loadTemplates } from './templates.ts';

/** The section `notice`, and whether the portal recognises subscribers by leases of the API. */
export interface NoticeSections {
  readonly notice: NoticeConfig;
  readonly subscribers?: SubscribersConfig;
}

interface KeptPages extends KeptPart {
  readonly server: NoticeServer;
  /** What the portal must not forget at a reload. */
  readonly portal: PortalMemory;
}

export function openNotice(context: FeatureContext<NoticeSections>): Opened<undefined> {
  const { time, log } = context;
  const fleet = context.desk(FLEET);
  const { server, portal } = context.keep((): KeptPages => {
    const shared = fleet && new PostgresPortal(fleet.engine);
    const memory = new PortalMemory(time.termMs(), performance, () => time.flush(), shared);
    time.onAccept(() => memory.endAll());
    const pages = new NoticeServer();
    return { server: pages, portal: memory, close: () => pages.close() };
  });
  return {
    desk: undefined,
    announced: () => ({ notice: server.endpoints.map(endpointText) }),
    // An address that nobody asked for may be taken.
    prepare: async () =>
      server.prepare(await pagesDeps(context, portal), ({ message }) => {
        log.warn(
          { reason: message },
          'notice page and opt-out portal are not available; set notice.listen to an address that can be bound',
        );
      }),
  };
}

/**
 * Rejects with SekishoError where templates or keys have become wrong since the configuration was checked: then what was in
 * force before stays.
 */
async function pagesDeps(context: FeatureContext<NoticeSections>, memory: PortalMemory): Promise<PagesDeps> {
  const { config, metrics, audit, time, log } = context;
  const { notice, subscribers } = config;
  const { templates, problems } = await loadTemplates(notice.templatesFolder, notice.languages);
  const [problem] = problems;
  if (!templates) throw settingsError('SEKISHO_CONFIG_INVALID', `${problem?.file}: ${problem?.message}`);
  return {
    config: notice,
    templates,
    names: new BlockedNames(context.follow(LISTS), context.follow(SUBSCRIBERS)),
    state: context.desk(SUBSCRIBERS).desk?.state,
    links: await linksOf(notice, memory),
    terminals: context.desk(TERMINALS).desk,
    memory,
    counters: new NoticeCounters(metrics),
    apiLeases: subscribers?.provisioning.portal ?? false,
    audit,
    clock: time,
    log,
  };
}

async function linksOf({ portal: { link } }: NoticeConfig, memory: PortalMemory): Promise<SignedLinks | undefined> {
  if (!link) return undefined;
  const key = await loadLinkKey(link.key);
  if (typeof key === 'string') throw settingsError('SEKISHO_CONFIG_INVALID', `${link.key.file} ${key}`);
  return new SignedLinks(link, key, memory.usedLinks);
}
