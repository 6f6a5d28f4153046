/**
 * The main thread's half of DNSSEC validation: trust anchors and their rollovers, exceptions, and what stands wrong.
 *
 *   a packet thread ─ DNSKEY set of an anchor's zone, as it came ─▶ heard ─▶ observe (rollover.ts) ─▶ file ─▶ publish
 *                   ─ an anchor does not fit, or fits again ──────▶ heard ─▶ log, warning in `sekisho status`
 */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { keyTag } from '../resolve/validate/dns-key.ts';
import { readSets } from '../resolve/validate/rrset.ts';
import { RULES } from '../rules/feature.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import { TYPE } from '../wire/constants.ts';
import { nameToText } from '../wire/name.ts';
import type { AnchorRecord, DnssecSection } from './dnssec-config.ts';
import { CARRIER, exceptionCarrier } from './exceptions.ts';
import { anchorsInForce, type FollowedZone, observe } from './rollover.ts';
import { readLearnt, writeLearnt } from './rollover-file.ts';
import { trustRoutes } from './routes.ts';
import { anchorText } from './section/anchor-file.ts';
import type { NegativeAnchor, PublishedTrust } from './trust-in-force.ts';

/** What packet threads tell. */
export type ToldOfTrust =
  /** The answer to a question for the DNSKEY set of an anchor's zone. */
  | { readonly type: 'keys'; readonly message: Uint8Array }
  /** Whether the anchors of a zone fit what it serves; said when that changes. */
  | { readonly type: 'anchor'; readonly zone: Uint8Array; readonly failed: boolean; readonly why: string };

export interface LentTrust {
  readonly validate: boolean;
  /** Anchors in force, for people. */
  anchors(): readonly string[];
}

/** What outlives a reload: one writer of one file. */
interface KeptTrust extends KeptPart {
  zones: readonly FollowedZone[];
  /** The configured anchors that they were learnt from. */
  configured: readonly AnchorRecord[] | undefined;
}

const FILE = 'anchors.json';

export async function openDnssec(context: FeatureContext<DnssecSection>): Promise<Opened<LentTrust>> {
  const { config, log, server, time, audit, metrics } = context;
  const { dnssec } = config;
  const follows = dnssec.validate && dnssec.followRollovers;
  const folder = join(server.dataFolder, 'dnssec');
  const file = join(folder, FILE);
  const kept = context.keep<KeptTrust>(() => ({ zones: [], configured: undefined, close: () => {} }));
  let exceptions: readonly NegativeAnchor[] = [];
  /** By zone and worker: why its anchors do not fit. */
  const failing = new Map<string, string>();
  const known = metrics.gauge('sekisho_dnssec_trust_anchors', 'Trust anchors in force.');

  const zones = () => (follows ? kept.zones : []);
  const anchors = () => anchorsInForce(dnssec.anchors, zones());
  const publish = async (forget?: PublishedTrust['forget']) => {
    metrics.values[known] = dnssec.validate ? anchors().length : 0;
    if (dnssec.validate) await context.publish({ anchors: anchors(), exceptions, ...(forget && { forget }) });
  };
  if (follows) learn();
  await publish();
  const rules = context.desk(RULES);
  if (dnssec.validate)
    rules.carry(
      CARRIER,
      exceptionCarrier((given) => {
        exceptions = given;
        return publish();
      }),
    );

  /** What lies on the disk, at the start and where other anchors are configured. */
  function learn(): void {
    makeDataFolder(folder);
    const { zones, refused } = readLearnt(file, dnssec.anchors, time.wallMs());
    kept.zones = zones;
    kept.configured = dnssec.anchors;
    if (refused !== undefined)
      log.warn(
        { file, reason: refused },
        'what was learnt of trust anchors does not count: the configured ones are in force, and following starts over',
      );
  }

  function takeKeys(message: Uint8Array): void {
    const set = readSets(message, 0, message.length)?.sets.find(
      ({ type, section }) => type === TYPE.DNSKEY && section === 0,
    );
    const zone = set && nameToText(set.owner);
    const configured = set ? dnssec.anchors.filter((anchor) => nameToText(anchor.zone) === zone) : [];
    if (set === undefined || configured.length === 0) return;
    const before = kept.zones.find((one) => nameToText(one.zone) === zone);
    const seen = observe(before, configured, set, time.wallMs());
    if (seen.changes.length === 0) return;
    kept.zones = [...kept.zones.filter((one) => one !== before), seen.zone];
    try {
      writeLearnt(file, dnssec.anchors, kept.zones);
    } catch (error) {
      log.error(
        { file, reason: errorText(error) },
        'what was learnt of trust anchors cannot be kept; it holds until the server ends',
      );
    }
    for (const { tag, from, to } of seen.changes) {
      const known = from === 'unknown' && to === 'valid';
      log[known ? 'info' : 'warn'](
        { zone, key: tag, from, to },
        'the key of a trust anchor changed its state (RFC 5011)',
      );
      if (!known)
        audit.record({
          who: 'server',
          role: '',
          action: 'dnssec.trust-anchor',
          purpose: 'RFC 5011',
          detail: { zone: zone ?? '', key: tag, from, to },
        });
    }
    void publish();
  }

  return {
    desk: {
      validate: dnssec.validate,
      anchors: () => anchors().map(anchorText),
    },
    async activate() {
      // Another configuration may have followed others meanwhile.
      if (follows && kept.configured !== dnssec.anchors) {
        learn();
        await publish();
      }
    },
    heard(value, worker) {
      const told = value as ToldOfTrust;
      if (told.type === 'keys') {
        if (follows) takeKeys(told.message);
        return;
      }
      const zone = nameToText(told.zone);
      const before = failing.size;
      if (told.failed) failing.set(`${worker} ${zone}`, told.why);
      else failing.delete(`${worker} ${zone}`);
      if (told.failed && before === 0)
        log.error(
          { zone, reason: told.why },
          `THE TRUST ANCHOR OF '${zone}' DOES NOT FIT. Everything below it is answered SERVFAIL. See docs/dnssec.md, "When a trust anchor no longer fits"`,
        );
      else if (!told.failed && before > 0 && failing.size === 0) log.info({ zone }, 'the trust anchor fits again');
    },
    // The trust in zones: keys, that they are unsigned or bogus, and what their denials prove.
    forget: (name, subtree) => publish({ name, subtree }),
    routes: (app) =>
      trustRoutes(app, {
        desk: rules.desk,
        validating: dnssec.validate,
        wallMs: () => time.wallMs(),
        state: () => ({
          anchors: anchors().map(anchorText),
          keys: zones().flatMap(({ zone, keys }) =>
            keys.map(({ data, state, sinceMs }) => ({
              zone: nameToText(zone),
              key: keyTag(data),
              state,
              since: new Date(sinceMs).toISOString(),
            })),
          ),
          problems: problems(),
          insecure: dnssec.insecure.map((zone) => nameToText(zone)),
        }),
      }),
    warnings: problems,
  };

  function problems(): string[] {
    return [...new Map([...failing].map(([key, why]) => [key.slice(key.indexOf(' ') + 1), why]))].map(
      ([zone, why]) =>
        `the trust anchor of '${zone}' does not fit (${why}): everything below it is answered SERVFAIL (docs/dnssec.md)`,
    );
  }
}
