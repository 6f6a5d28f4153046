/** The part of loading that is about subscribers. */
import { accessSync, constants, existsSync } from 'node:fs';
import type { Endpoint } from '../../address/address.ts';
import type { Finding } from '../../settings/finding.ts';
import type { Found } from '../../settings/found.ts';
import { check } from '../../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../../settings/yaml-source.ts';
import type { SubscribersConfig } from '../subscribers-config.ts';
import { subscriberFindings, subscribersConfig, subscribersSchema } from './subscribers-section.ts';

export interface LoadedSubscribers {
  /** Absent where the configuration has no such section: then nobody is known, and nobody inspected. */
  readonly subscribers?: SubscribersConfig;
  readonly dangers: readonly Finding[];
  readonly problems: readonly ConfigProblem[];
}

export function loadSubscribers(
  raw: Record<string, unknown>,
  listen: readonly Endpoint[] | undefined,
  found: Found,
  source: ConfigSource,
): LoadedSubscribers {
  if (!Object.hasOwn(raw, 'subscribers')) return { dangers: [], problems: [] };
  const { data, problems = [] } = check(subscribersSchema, raw['subscribers'] ?? {}, source, ['subscribers']);
  if (!data) return { dangers: [], problems };
  const findings = subscriberFindings(data, listen).map(({ path, message }) => source.problem(path, message));
  if (findings.length > 0 || !listen) return { dangers: [], problems: findings };
  const subscribers = subscribersConfig(data, listen, found.baseFolder);
  const dangers: Finding[] = [];
  // Not a problem: without its ranges the server answers everybody and inspects nobody.
  if (subscribers.rangesFile !== undefined && !isReadable(subscribers.rangesFile))
    dangers.push({
      path: ['subscribers', 'ranges'],
      message: `'${subscribers.rangesFile}' ${existsSync(subscribers.rangesFile) ? 'cannot be read' : 'is not there'}`,
    });
  const secretFile = subscribers.radius?.secretFile;
  if (secretFile !== undefined && !isReadable(secretFile))
    return {
      dangers,
      problems: [source.problem(['subscribers', 'radius', 'secret-file'], `'${secretFile}' cannot be read`)],
    };
  return { subscribers, dangers, problems: [] };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
