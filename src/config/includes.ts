/**
 * A configuration in several files: `include` names files, or folders of them, whose sections count as if they stood in the
 * one that names them.
 *
 *     sekisho.yaml        include: [./conf.d]      ─┐
 *     conf.d/lists.yaml   lists: […]                ├─▶ one document; a problem names the file, line and column that it is in
 *     conf.d/zones.yaml   zones: […]               ─┘
 *
 * A section stands in one file. Entries of `lists`, `zones`, `views` and `plugins` may come from several: in the order of the files,
 * those of the file with `include` last. Files that are included include no others.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readText } from '../settings/found.ts';
import { foundText } from '../settings/problems.ts';
import { type ConfigProblem, type ConfigSource, type Path, pathText, YamlSource } from '../settings/yaml-source.ts';

/** Files of one configuration. */
const MAX_FILES = 100;
/** Sections whose entries may come from several files. */
const JOINED: readonly string[] = ['lists', 'zones', 'views', 'plugins'];

type Section = Record<string, unknown>;

/** `main` with everything that it includes; itself where it includes nothing. Relative names begin at `baseFolder`. */
export async function withIncludes(main: YamlSource, baseFolder: string): Promise<ConfigSource> {
  if (!isMap(main.value) || !Object.hasOwn(main.value, 'include')) return main;
  const problems: ConfigProblem[] = [...main.problems];
  const names = namesIn(main.value['include']);
  if (names === undefined) {
    const found = foundText(main.value['include']);
    problems.push(main.problem(['include'], `expected a file name or a list of file names, found ${found}`));
    return { file: main.file, value: main.value, problems, problem: (...what) => main.problem(...what) };
  }
  const files: YamlSource[] = [];
  for (const [i, name] of names.entries()) {
    const path = Array.isArray(main.value['include']) ? ['include', i] : ['include'];
    for (const file of await filesAt(name, baseFolder)) {
      const { text, failure } = await readText(resolve(baseFolder, file));
      if (failure !== undefined) problems.push(main.problem(path, `'${file}' ${failure}`));
      else files.push(new YamlSource(text, file));
    }
  }
  if (files.length > MAX_FILES)
    problems.push(main.problem(['include'], `names ${files.length} files; ${MAX_FILES} is the limit`));
  for (const file of files) problems.push(...file.problems);
  return joined(main, files, problems);
}

function joined(main: YamlSource, files: readonly YamlSource[], problems: ConfigProblem[]): ConfigSource {
  const value: Section = {};
  const owners = new Map<string, YamlSource>();
  /** Of the sections that are joined: where each entry stands. */
  const entries = new Map<string, { readonly source: YamlSource; readonly step: PropertyKey }[]>();
  for (const source of [...files, main]) {
    if (!isMap(source.value)) {
      if (source.value !== undefined)
        problems.push(source.problem([], `expected a map (key: value), found ${foundText(source.value)}`));
      continue;
    }
    for (const [key, section] of Object.entries(source.value)) {
      if (key === 'include') {
        if (source !== main) problems.push(source.problem([key], 'a file that is included includes no others', 'key'));
        continue;
      }
      const owner = owners.get(key);
      if (owner === undefined) {
        owners.set(key, source);
        value[key] = section;
        if (JOINED.includes(key))
          entries.set(
            key,
            stepsOf(section).map((step) => ({ source, step })),
          );
        continue;
      }
      const together = JOINED.includes(key) ? joinedSections(value[key], section) : undefined;
      if (together === undefined) {
        problems.push(source.problem([key], `stands in ${owner.file} already: a section stands in one file`, 'key'));
        continue;
      }
      const known = entries.get(key) ?? [];
      for (const step of stepsOf(section)) {
        if (typeof step === 'string' && known.some((one) => one.step === step))
          problems.push(source.problem([key, step], 'stands in another file already', 'key'));
        known.push({ source, step });
      }
      value[key] = together;
    }
  }
  return {
    file: main.file,
    value,
    problems,
    problem(path, message, at) {
      const [key, step, ...rest] = path;
      const list = entries.get(String(key));
      const place = typeof step === 'number' ? list?.[step] : list?.find((entry) => entry.step === step);
      const source = place?.source ?? owners.get(String(key)) ?? main;
      const inside: Path = place ? [key as PropertyKey, place.step, ...rest] : path;
      // The place is that in the file, the name that of the whole.
      return { ...source.problem(inside, message, at), path: pathText(path) };
    },
  };
}

/** Both parts of a section of several files; undefined where they do not go together. */
function joinedSections(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other)) return [...one, ...other];
  if (isMap(one) && isMap(other)) return { ...one, ...other };
  return undefined;
}

function stepsOf(section: unknown): PropertyKey[] {
  if (Array.isArray(section)) return section.map((_, i) => i);
  return isMap(section) ? Object.keys(section) : [];
}

function namesIn(value: unknown): string[] | undefined {
  const names = Array.isArray(value) ? value : [value];
  return names.every((name) => typeof name === 'string' && name !== '') ? (names as string[]) : undefined;
}

/** The file itself; of a folder its files `*.yaml`, by name. What is not there is found out when it is read. */
async function filesAt(name: string, baseFolder: string): Promise<string[]> {
  const path = resolve(baseFolder, name);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return [name];
  const files = await readdir(path);
  return files
    .filter((file) => /^[^.].*\.ya?ml$/.test(file))
    .sort()
    .map((file) => join(name, file));
}

function isMap(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
