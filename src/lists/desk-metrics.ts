/** The list desk's numbers. Labels are names of lists, which come from the configuration. */
import type { Metrics } from '../metrics/registry.ts';
import type { CompiledLists } from './in-force.ts';
import type { StoredVersion } from './sources/last-good.ts';

const RESULTS = ['accepted', 'refused', 'failed', 'unchanged'] as const;

export class DeskMetrics {
  readonly #values: Float64Array;
  readonly #names: readonly number[];
  readonly #rejectedLines: readonly number[];
  readonly #heldBack: readonly number[];
  readonly #fetched: readonly number[];
  readonly #results: readonly number[];
  readonly #bytes: number;
  readonly #reserved: number;
  readonly #seconds: number;

  constructor(metrics: Metrics, lists: readonly string[]) {
    this.#values = metrics.values;
    const perList = (name: string, help: string) => lists.map((list) => metrics.gauge(name, help, { list }));
    this.#names = perList('sekisho_list_names', 'Rules of the version in force, duplicates included.');
    this.#rejectedLines = perList('sekisho_list_rejected_lines', 'Lines of the version in force that were left out.');
    this.#heldBack = perList('sekisho_list_held_back', '1 while the guard holds a version of the list back.');
    this.#fetched = perList(
      'sekisho_list_fetched_timestamp_seconds',
      'When the version in force was fetched, seconds since 1970; 0 while there is none.',
    );
    this.#results = lists.map((list) =>
      metrics.counters('sekisho_list_updates_total', 'What became of looking for a new version.', 'result', RESULTS, {
        list,
      }),
    );
    this.#bytes = metrics.gauge('sekisho_policy_index_bytes', 'Memory of the compiled lists in force.');
    this.#reserved = metrics.gauge(
      'sekisho_policy_index_reserved_bytes',
      'Memory reserved for compiled lists, the spare buffer for the next version included.',
    );
    this.#seconds = metrics.gauge('sekisho_list_compile_seconds', 'How long the last compilation took.');
  }

  inForce(list: number, names: number, rejected: number, version: StoredVersion | undefined): void {
    this.#values[this.#names[list]!] = names;
    this.#values[this.#rejectedLines[list]!] = rejected;
    this.#values[this.#fetched[list]!] = (version?.provenance.fetchedAtMs ?? 0) / 1000;
    this.#count(list, 'accepted');
  }

  refused(list: number): void {
    this.#count(list, 'refused');
    this.heldBack(list, true);
  }

  heldBack(list: number, held: boolean): void {
    this.#values[this.#heldBack[list]!] = held ? 1 : 0;
  }

  failed(list: number): void {
    this.#count(list, 'failed');
  }

  unchanged(list: number): void {
    this.#count(list, 'unchanged');
  }

  compiled({ names, nameServers, networks }: CompiledLists, reservedBytes: number, elapsedMs: number): void {
    this.#values[this.#bytes] = names.bytes + (nameServers?.bytes ?? 0) + (networks?.index.bytes ?? 0);
    this.#values[this.#reserved] = reservedBytes;
    this.#values[this.#seconds] = elapsedMs / 1000;
  }

  #count(list: number, result: (typeof RESULTS)[number]): void {
    this.#values[this.#results[list]! + RESULTS.indexOf(result)]! += 1;
  }
}
