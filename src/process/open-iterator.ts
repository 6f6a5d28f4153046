/** A worker's iterator (`resolve`): what it needs of configuration, shared memory and zones with another way. */
import { parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import { InfraStore } from '../resolve/iterate/infra-store.ts';
import { type IterateParts, IterateSource } from '../resolve/iterate/iterate.ts';
import { putName, type WireName } from '../resolve/iterate/name-text.ts';
import type { ResolveConfig } from '../resolve/iterate/resolve-config.ts';
import { ServerTable } from '../resolve/iterate/server-memory.ts';
import { CLASS, TYPE } from '../wire/constants.ts';
import { Question } from '../wire/question.ts';
import type { Partitions } from '../zones/partitions.ts';
import type { WorkerSetup } from './worker-messages.ts';

export type IteratorWiring = Omit<
  IterateParts,
  'infra' | 'servers' | 'hints' | 'forbidden' | 'elsewhere' | 'budget' | 'ipv4' | 'ipv6' | 'minimise'
>;

export function openIterator(
  { iterate, serial, hashKey, config }: WorkerSetup,
  { hints, neverAsk, budget, ipv4, ipv6, minimise }: ResolveConfig,
  ways: Pick<Partitions, 'configOf'>,
  wiring: IteratorWiring,
): IterateSource {
  if (iterate === undefined) throw new Error('the main thread made no memory for `resolve`');
  return new IterateSource({
    ...wiring,
    infra: new InfraStore(iterate.infra, { worker: serial, hashKey, maxTtl: config.cache.maxTtlSeconds }),
    servers: new ServerTable(iterate.servers, hashKey),
    hints,
    forbidden: new PrefixSet(neverAsk.map(parsePrefix)),
    elsewhere: elsewhereOf(ways),
    budget,
    ipv4,
    ipv6,
    minimise,
  });
}

/** Whether a name belongs to a zone of its own (`zones`, special-use names). */
function elsewhereOf(ways: Pick<Partitions, 'configOf'>): (name: WireName) => boolean {
  const question = new Question();
  question.type = TYPE.A;
  question.class = CLASS.IN;
  return (name) => {
    putName(name, question.name, 0);
    question.nameLength = name.length;
    question.labelCount = 0;
    for (let at = 0; at < name.length - 1; at += name.charCodeAt(at) + 1)
      question.labelStarts[question.labelCount++] = at;
    return ways.configOf(question) !== undefined;
  };
}
