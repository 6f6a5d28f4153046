// The walls of the house: which room may import from which. The table is walls.json, rooms from the ground floor up; a room
// may import from rooms below it alone, and only from those that its line names. `npm test` runs this.
//   node scripts/walls.mjs                 every import that the table does not allow, every circle of files; exit code 1 where there is one
//   node scripts/walls.mjs draw [--repo D] the house as it is drawn from the imports: floors, rooms, arrows, circles
//   node scripts/walls.mjs table --write   puts the table into ARCHITECTURE.md
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT_FILES_MAX = 5;
const BEGIN = '<!-- walls: made by `node scripts/walls.mjs table --write` -->';
const END = '<!-- /walls -->';

const [command = 'check', ...rest] = process.argv.slice(2);
const named = rest.indexOf('--repo');
const root = named >= 0 && rest[named + 1] ? rest[named + 1] : dirname(dirname(fileURLToPath(import.meta.url)));

const commands = { check, draw, table };
if (!Object.hasOwn(commands, command)) {
  console.error(`walls: unknown command '${command}'; known: check, draw, table`);
  process.exit(2);
}
process.exit(commands[command]());

/** What is wrong with the imports; nothing wrong is exit code 0. */
function check() {
  const rooms = readTable();
  const imports = readImports();
  const problems = [
    ...wrongTable(rooms, imports),
    ...wrongImports(rooms, imports),
    ...circles(fileGraph(imports)).map((files) => `circle of files: ${[...files, files[0]].join(' -> ')}`),
    ...crowdedRoot(),
    ...staleArchitecture(rooms),
  ];
  for (const problem of problems) console.error(problem);
  console.error(
    problems.length === 0
      ? `walls: ${imports.length} imports, ${rooms.length} rooms, no wall crossed`
      : `walls: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}; the table is walls.json`,
  );
  return problems.length === 0 ? 0 : 1;
}

function readTable() {
  return JSON.parse(readFileSync(join(root, 'walls.json'), 'utf8')).rooms;
}

/** The room of a file: the longest path of the table that it lies below. A plugin's folder is a room of its own kind. */
function roomOf(rooms, file) {
  let found;
  for (const room of rooms)
    if ((file === room.path || file.startsWith(`${room.path}/`)) && (!found || room.path.length > found.path.length))
      found = room;
  return found;
}

function wrongTable(rooms, imports) {
  const problems = [];
  const places = new Map(rooms.map(({ path }, index) => [path, index]));
  rooms.forEach(({ path, imports: allowed }, index) => {
    if (!existsSync(join(root, path))) problems.push(`walls.json: there is no ${path}`);
    for (const each of allowed) {
      const place = places.get(each);
      if (place === undefined) problems.push(`walls.json: ${path} names ${each}, which is no room`);
      else if (place >= index) problems.push(`walls.json: ${path} names ${each}, which does not lie below it`);
      else if (!imports.some(({ from, to }) => roomOf(rooms, from)?.path === path && roomOf(rooms, to)?.path === each))
        problems.push(`walls.json: ${path} may import from ${each} and does not; take it out`);
    }
  });
  return problems;
}

function wrongImports(rooms, imports) {
  const problems = [];
  for (const { from, to, line } of imports) {
    const importer = roomOf(rooms, from);
    const imported = roomOf(rooms, to);
    if (!importer || !imported) {
      problems.push(`${importer ? to : from}: lies in no room of walls.json`);
    } else if (importer !== imported) {
      if (!importer.imports.includes(imported.path))
        problems.push(`${from}:${line}: ${importer.path} may not import from ${imported.path} (${to})`);
    } else if (importer.apart && folderIn(importer, from) !== folderIn(importer, to)) {
      problems.push(`${from}:${line}: folders of ${importer.path} may not import from each other (${to})`);
    }
  }
  return [...new Set(problems)];
}

function folderIn(room, file) {
  return file.slice(room.path.length + 1).split('/')[0];
}

function crowdedRoot() {
  const files = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.length > ROOT_FILES_MAX
    ? [`src/ holds ${files.length} files at its root, more than ${ROOT_FILES_MAX}: find them a room`]
    : [];
}

function tableText(rooms) {
  const short = (path) => path.replace(/^src\//, '');
  const lines = rooms.map(
    ({ path, what, imports }) =>
      `| \`${path}${path.endsWith('.ts') ? '' : '/'}\` | ${what} | ${imports.map(short).join(', ') || '–'} |`,
  );
  return [BEGIN, '| room | what | imports from |', '|---|---|---|', ...lines.reverse(), END].join('\n');
}

function table() {
  const text = tableText(readTable());
  if (!rest.includes('--write')) {
    console.log(text);
    return 0;
  }
  const file = join(root, 'ARCHITECTURE.md');
  const old = readFileSync(file, 'utf8');
  const [before, after] = [old.indexOf(BEGIN), old.indexOf(END)];
  if (before < 0 || after < before) {
    console.error('walls: ARCHITECTURE.md has no place for the table');
    return 1;
  }
  writeFileSync(file, old.slice(0, before) + text + old.slice(after + END.length));
  return 0;
}

function staleArchitecture(rooms) {
  const file = join(root, 'ARCHITECTURE.md');
  return existsSync(file) && readFileSync(file, 'utf8').includes(tableText(rooms))
    ? []
    : ["ARCHITECTURE.md: its table is not that of walls.json; run 'node scripts/walls.mjs table --write'"];
}

/** Floors by the longest way down, arrows that run back up, circles. Needs no table, so that an older checkout can be drawn. */
function draw() {
  const imports = readImports();
  const files = new Set(imports.flatMap(({ from, to }) => [from, to]));
  const name = (file) => {
    const parts = file.split('/');
    return parts.length === 2 ? file : parts.slice(0, 2).join('/');
  };
  const rooms = new Map([...files].map((file) => [name(file), new Map()]));
  for (const { from, to } of imports) {
    if (name(from) === name(to)) continue;
    const arrows = rooms.get(name(from));
    arrows.set(name(to), (arrows.get(name(to)) ?? 0) + 1);
  }
  const graph = new Map([...rooms].map(([room, arrows]) => [room, [...arrows.keys()]]));
  const back = backArrows(rooms);
  const floor = floors(graph, back);
  for (let each = Math.max(...floor.values()); each >= 1; each--) {
    const on = [...floor].filter(([, number]) => number === each).map(([room]) => room);
    for (const room of on.sort())
      console.log(
        `floor ${String(each).padStart(2)}  ${room.padEnd(26)} -> ${graph.get(room).map(shortName).join(' ')}`,
      );
  }
  const pairs = [...graph].flatMap(([a, to]) => to.filter((b) => a < b && graph.get(b).includes(a)).map((b) => [a, b]));
  const knots = circles(fileGraph(imports));
  console.log(
    `${graph.size} rooms, ${Math.max(...floor.values())} floors, ${[...graph.values()].flat().length} arrows, ` +
      `${back.size} running back up, ${pairs.length} pairs that import each other, ${knots.length} circles of files`,
  );
  for (const arrow of back) console.log(`  back up: ${arrow}`);
  for (const knot of knots) console.log(`  circle: ${knot.join(', ')}`);
  return 0;
}

function shortName(room) {
  return room.replace(/^src\//, '');
}

/**
 * Arrows to turn round so that no circle is left, few of them: rooms are taken one by one, first those that nobody left
 * imports or that import nobody, else the one that imports most for what imports it (Eades, Lin, Smyth 1993).
 */
function backArrows(rooms) {
  const left = new Set(rooms.keys());
  const [top, bottom] = [[], []];
  const out = (room) => [...rooms.get(room)].filter(([to]) => left.has(to)).length;
  const into = (room) => [...left].filter((other) => rooms.get(other).has(room)).length;
  while (left.size > 0) {
    const sorted = [...left].sort();
    const sink = sorted.find((room) => out(room) === 0);
    const source = sorted.find((room) => into(room) === 0);
    const taken = sink ?? source ?? sorted.sort((a, b) => out(b) - into(b) - (out(a) - into(a)))[0];
    if (sink) bottom.unshift(taken);
    else top.push(taken);
    left.delete(taken);
  }
  const place = new Map([...top, ...bottom].map((room, index) => [room, index]));
  const back = new Set();
  for (const [room, arrows] of rooms)
    for (const to of arrows.keys()) if (place.get(to) < place.get(room)) back.add(`${room} -> ${to}`);
  return back;
}

function floors(graph, back) {
  const floor = new Map();
  const of = (room) => {
    if (!floor.has(room)) {
      const below = graph.get(room).filter((to) => !back.has(`${room} -> ${to}`));
      floor.set(room, 1 + Math.max(0, ...below.map(of)));
    }
    return floor.get(room);
  };
  for (const room of graph.keys()) of(room);
  return floor;
}

function fileGraph(imports) {
  const graph = new Map();
  for (const { from, to } of imports) {
    graph.set(from, [...(graph.get(from) ?? []), to]);
    if (!graph.has(to)) graph.set(to, []);
  }
  return graph;
}

/** Strongly connected parts of more than one member (Tarjan 1972). */
function circles(graph) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of graph.get(node)) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node), low.get(next)));
      } else if (stack.includes(next)) {
        low.set(node, Math.min(low.get(node), index.get(next)));
      }
    }
    if (low.get(node) !== index.get(node)) return;
    const part = stack.splice(stack.indexOf(node));
    if (part.length > 1 || graph.get(node).includes(node)) found.push(part.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** Every import of one file of src/ or plugins/ by another; tests may import what they like. */
function readImports() {
  const imports = [];
  for (const from of ['src', 'plugins'].flatMap((folder) => sources(folder))) {
    const text = readFileSync(join(root, from), 'utf8');
    for (const match of text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const written = join(dirname(from), match[1]).replaceAll('\\', '/');
      const to = existsSync(join(root, written)) ? written : written.replace(/\.js$/, '.ts');
      imports.push({ from, to, line: text.slice(0, match.index).split('\n').length });
    }
  }
  return imports;
}

function sources(folder) {
  return readdirSync(join(root, folder)).flatMap((entry) => {
    const path = `${folder}/${entry}`;
    if (statSync(join(root, path)).isDirectory()) return sources(path);
    return /\.m?ts$/.test(entry) && !/\.test\.m?ts$/.test(entry) ? [path] : [];
  });
}
