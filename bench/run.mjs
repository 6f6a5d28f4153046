// `npm run bench`: runs the micro benches, then the load bench. bench/README.md says what they mean.
//
//     npm run bench                          everything (about half an hour)
//     npm run bench -- --list                names them
//     npm run bench -- micro                 all micro benches; or one or more by name: -- reader siphash
//     npm run bench -- load [options]        the load bench; options and scenarios go to bench/load/run.ts
//     npm run bench -- consent               a million names and a million subscribers, toggles, RADIUS
//     npm run bench -- nodes                 the bookkeeping of up to 100 nodes on one PostgreSQL
//     npm run bench -- fleet [quiet|faults|leases|join]   several nodes on one PostgreSQL
//     npm run bench -- encrypted             DNS over TLS and HTTPS, beside dnsdist and Unbound
//     npm run bench -- console               what an open console costs, and how long its first view takes
//     npm run bench -- start                 how long a start takes that fails late
//     npm run bench -- start first [MAIN.js] to the first answer, and short commands; beside another installation
//     npm run bench -- incidents [options]   the diagnosis against the truth, over many seeds
//     npm run bench -- fast-path [options]   straight from a network interface, beside peers over sockets; floods dropped
//     npm run bench -- lists [names]         a million listed names, beside unbound and PowerDNS Recursor
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, 'dist', 'bench');
if (!existsSync(compiled)) {
  console.error('dist/bench does not exist: run `npm run bench`, which compiles first, or `npm run build`.');
  process.exit(1);
}

// A file beside the benches that is no bench itself (timing, packets) says so by running nothing: name those here.
const PARTS = ['timing', 'packets'];
const micro = readdirSync(join(compiled, 'micro'))
  .filter((name) => name.endsWith('.js'))
  .map((name) => name.slice(0, -'.js'.length))
  .filter((name) => !PARTS.includes(name))
  .sort();

const [what, ...rest] = process.argv.slice(2);
if (what === '--list' || what === '--help') list();
else if (what === undefined) exit(runMicro(micro) + runLoad([]));
else if (what === 'micro') exit(runMicro(rest.length > 0 ? rest : micro));
else if (what === 'load') exit(runLoad(rest));
else if (what === 'consent') exit(run([join(compiled, 'consent', 'run.js'), ...rest]));
else if (what === 'nodes') exit(run([join(compiled, 'fleet', 'bookkeeping.js'), ...rest]));
else if (what === 'fleet') exit(run([join(compiled, 'fleet', 'run.js'), ...rest]));
else if (what === 'encrypted') exit(run([join(compiled, 'encrypted', 'run.js'), ...rest]));
else if (what === 'console') exit(run([join(compiled, 'console', 'run.js'), ...rest]));
else if (what === 'start' && rest[0] === 'first')
  exit(run([join(compiled, 'start', 'first-answer.js'), ...rest.slice(1)]));
else if (what === 'start') exit(run([join(compiled, 'start', 'run.js'), ...rest]));
else if (what === 'incidents') exit(run([join(compiled, 'incidents', 'run.js'), ...rest]));
else if (what === 'fast-path') exit(run([join(compiled, 'fast-path', 'run.js'), ...rest]));
else if (what === 'lists') exit(run([join(compiled, 'lists', 'run.js'), ...rest]));
else exit(runMicro([what, ...rest]));

function list() {
  for (const name of micro) console.log(`${name.padEnd(12)} ${purpose(name)}`);
  console.log(
    `${'lists'.padEnd(12)} A million listed names, beside unbound and PowerDNS Recursor with the same policy zone`,
  );
  console.log(`${'consent'.padEnd(12)} A million names and a million subscribers in the whole server; toggles; RADIUS`);
  console.log(
    `${'encrypted'.padEnd(12)} DNS over TLS and HTTPS, beside dnsdist and Unbound: queries, connections, memory`,
  );
  console.log(`${'nodes'.padEnd(12)} The bookkeeping of up to 100 nodes on one PostgreSQL`);
  console.log(`${'start'.padEnd(12)} How long a start takes that fails late, for every listener`);
  console.log(
    `${'incidents'.padEnd(12)} The diagnosis against the truth: single, double and innocent ones, over many seeds`,
  );
  console.log(`${'fast-path'.padEnd(12)} Straight from a network interface, beside peers over sockets; floods dropped`);
  console.log(`${'load'.padEnd(12)} Real servers under load:`);
  run([join(compiled, 'load', 'run.js'), '--help']);
}

/** First line of the bench's opening comment. */
function purpose(name) {
  const source = readFileSync(join(root, 'bench', 'micro', `${name}.ts`), 'utf8');
  return /^\/\*\*(?:\s*\*)?\s*(.*?)(?:\s*\*\/)?$/m.exec(source)?.[1] ?? '';
}

/** Each in a process of its own: what one compiles and allocates is nothing to the next. */
function runMicro(names) {
  const unknown = names.filter((name) => !micro.includes(name));
  if (unknown.length > 0) {
    console.error(`no such bench: ${unknown.join(', ')}; there are ${micro.join(', ')} and load`);
    return 2;
  }
  return names.reduce(
    (failed, name) => failed + (run(['--expose-gc', join(compiled, 'micro', `${name}.js`)]) ? 1 : 0),
    0,
  );
}

function runLoad(args) {
  return run([join(compiled, 'load', 'run.js'), ...args]);
}

function run(args) {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  return status ?? 1;
}

function exit(code) {
  process.exit(Math.min(code, 2));
}
