/**
 * What questions are asked of, where views have servers or zones of their own. A *partition* is one such set: the servers for
 * everything, and the zones that go another way. Partition 0 is what stands at the top level of the configuration; views without
 * anything of their own share it.
 *
 *   question.partition ─▶ its zones (ways.ts) ─▶ group of servers ─▶ resolve/forward/router.ts
 *
 * The number in `Question.partition` is part of the cache's key, so an answer that one partition got is never served in another.
 * Numbers are given out once in a process (`PartitionKeys`): another set of servers or zones gets another number, and a reload
 * finds the answers of the sets that stayed.
 */
import { createHash, type Hash } from 'node:crypto';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { Verdict } from '../contract/plugin.ts';
import type { Query } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import { DEFAULT_GROUP, groupOf, type ServerGroup, Ways } from './ways.ts';
import type { ZoneConfig } from './zone-config.ts';

export interface PartitionConfig {
  /** The first view that has it. */
  readonly view: string;
  /** Absent: those of the top level. */
  readonly servers?: readonly UpstreamServer[];
  /** All zones that go another way in it, special-use names included. */
  readonly zones: readonly ZoneConfig[];
  /** It shares answers with nobody, not even with an equal set of another view. */
  readonly own: boolean;
}

/** Numbers of partitions in keys of the cache, the same for the same set as long as the process lives. */
export class PartitionKeys {
  readonly #known = new Map<string, number>();

  of(partition: PartitionConfig): number {
    const signature = signatureOf(partition);
    const known = this.#known.get(signature) ?? this.#known.size + 1;
    this.#known.set(signature, known);
    return known;
  }
}

export class Partitions {
  /** Groups of servers but the first, which is `upstream`. Partitions and zones with the same servers share one. */
  readonly groups: readonly ServerGroup[];
  readonly #top: Ways;
  readonly #others = new Map<number, Ways>();

  /** `keys`: the number of each partition, as `PartitionKeys` gave it. */
  constructor(zones: readonly ZoneConfig[], partitions: readonly PartitionConfig[], keys: readonly number[]) {
    const groups: ServerGroup[] = [];
    this.groups = groups;
    this.#top = new Ways(zones, groups);
    for (const [i, { view, servers, zones: own }] of partitions.entries()) {
      const general = servers ? groupOf(groups, { kind: 'forward', servers, view }) : DEFAULT_GROUP;
      this.#others.set(keys[i]!, new Ways(own, groups, general, view));
    }
  }

  /** The zones of the partition that `question` is in. */
  waysOf({ partition }: Question): Ways {
    return partition === 0 ? this.#top : (this.#others.get(partition) ?? this.#top);
  }

  groupOf(question: Question): number {
    return this.waysOf(question).groupOf(question);
  }

  configOf(question: Question): ZoneConfig | undefined {
    return this.waysOf(question).configOf(question);
  }

  decide(query: Query): Verdict {
    return this.waysOf(query.question).decide(query);
  }
}

/** Two partitions with the same signature get the same answers. */
function signatureOf({ view, servers, zones, own }: PartitionConfig): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([own ? view : '', servers ?? '']));
  for (const zone of zones) addZone(hash, zone);
  return hash.digest('base64');
}

function addZone(hash: Hash, { zone, way }: ZoneConfig): void {
  const { kind } = way;
  if (way.kind !== 'records') {
    hash.update(JSON.stringify([zone, kind, way.servers]));
    return;
  }
  hash.update(JSON.stringify([zone, kind, way.dsAbove, way.records.length]));
  for (const { owner, type, ttl, data } of way.records) {
    hash.update(JSON.stringify([owner.length, type, ttl, data.length]));
    hash.update(owner).update(data);
  }
}
