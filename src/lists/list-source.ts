/** From a list's configuration to the source that brings it. */
import type { Clock } from '../time/clock.ts';
import type { ListConfig } from './list-config.ts';
import { dnsSource } from './sources/dns/dns-source.ts';
import type { TsigKey } from './sources/dns/tsig-key.ts';
import { fileSource } from './sources/file-source.ts';
import { httpSource } from './sources/http-source.ts';
import type { LastGood } from './sources/last-good.ts';
import type { ListSource, Random } from './sources/source.ts';

export interface SourceParts {
  readonly keys: ReadonlyMap<string, TsigKey>;
  readonly random: Random;
  readonly clock: Clock;
}

/** Throws where the list names a key that is not there: the key file may have changed since it was checked. */
export function listSource(list: ListConfig, store: LastGood, { keys, random, clock }: SourceParts): ListSource {
  const shared = { folder: store.folder, maxBytes: list.maxBytes, known: () => store.known(), clock };
  const { source } = list;
  switch (source.kind) {
    case 'file':
      return fileSource({ ...shared, path: source.path });
    case 'http':
      return httpSource({ ...shared, url: source.url, random });
    case 'transfer': {
      const key = source.key === undefined ? undefined : keys.get(source.key);
      if (source.key !== undefined && !key) throw new Error(`transfer.keys-file holds no key '${source.key}'`);
      const { host, port, zone } = source;
      return dnsSource({ ...shared, primary: { host, port }, zone, random, ...(key && { key }) });
    }
  }
}
