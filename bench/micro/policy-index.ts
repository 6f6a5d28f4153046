/**
 * What the policy index costs (src/lists/index/): building, bytes per name, nanoseconds per lookup that misses and that
 * hits, beside a `Set` of strings doing the same. Run after a build: `npm run bench -- policy-index [millions of names …]`.
 *
 * Names come from a seeded generator: a registrable name under a suffix drawn by Zipf's law, and none to three labels
 * before it. Those asked for were generated beforehand and are read from one array; each time is the median of ROUNDS
 * rounds, less the time to copy a name into the question.
 */
import { PolicyIndexBuilder } from '../../src/lists/index/builder.ts';
import { PolicyIndex } from '../../src/lists/index/policy-index.ts';
import { ACTION_LISTED, EXACT_AND_SUBTREE } from '../../src/lists/index/rules.ts';
import { Question } from '../../src/wire/question.ts';
import { nameMaker } from '../lists/list-names.ts';

const ROUNDS = 7;
/** Names asked for: more than fit into the second cache with what they touch. */
const ASKED = 1 << 18;

const { random, makeName } = nameMaker(1);

/** Names one behind the other in wire form. */
class Names {
  bytes = new Uint8Array(1 << 20);
  readonly starts: Int32Array;
  #used = 0;
  #count = 0;

  constructor(count: number) {
    this.starts = new Int32Array(count + 1);
  }

  add(labels: readonly string[]): void {
    if (this.#used + 256 > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    for (let i = labels.length - 1; i >= 0; i--) {
      const label = labels[i]!;
      this.bytes[this.#used++] = label.length;
      for (let k = 0; k < label.length; k++) this.bytes[this.#used++] = label.charCodeAt(k);
    }
    this.bytes[this.#used++] = 0;
    this.starts[++this.#count] = this.#used;
  }

  /** Make name `i` the one that is asked for. */
  ask(i: number, question: Question): void {
    const from = this.starts[i]!;
    const length = this.starts[i + 1]! - from;
    for (let k = 0; k < length; k++) question.name[k] = this.bytes[from + k]!;
    question.nameLength = length;
    let labels = 0;
    for (let at = 0; question.name[at] !== 0; at += question.name[at]! + 1) question.labelStarts[labels++] = at;
    question.labelCount = labels;
  }
}

const question = new Question();
const nameBuffer = Buffer.from(question.name.buffer);

/** The quickest of several ways tried: one string from the wire name, its suffixes cut from that. */
function inSet(set: Set<string>, asked: Question): number {
  const text = nameBuffer.toString('latin1', 0, asked.nameLength);
  for (let i = asked.labelCount - 1; i >= 0; i--) if (set.has(text.slice(asked.labelStarts[i]))) return 1;
  return 0;
}

/** Median CPU nanoseconds of each case for one name. All run before the first is timed, and the rounds are interleaved. */
function nanoseconds(cases: readonly (() => void)[]): number[] {
  for (const run of [...cases, ...cases]) run();
  const times = cases.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, run] of cases.entries()) {
      const begin = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(begin);
      times[i]!.push(((user + system) * 1000) / ASKED);
    }
  }
  return times.map((of) => of.sort((a, b) => a - b)[ROUNDS >> 1]!);
}

let kept = 0;

function measure(count: number): void {
  const listed = new Names(count);
  const misses = new Names(ASKED);
  const hits = new Names(ASKED);
  for (let i = 0; i < count; i++) listed.add(makeName());
  for (let i = 0; i < ASKED; i++) {
    const at = listed.starts[Math.floor(random() * count)]!;
    const labels: string[] = [];
    for (let k = at; listed.bytes[k] !== 0; k += listed.bytes[k]! + 1) {
      labels.unshift(Buffer.from(listed.bytes.subarray(k + 1, k + 1 + listed.bytes[k]!)).toString('latin1'));
    }
    while (labels.length < 4) labels.push('www');
    hits.add(labels);
  }

  let begin = performance.now();
  const builder = new PolicyIndexBuilder({ key: [1, 2, 3, 4], version: 1 });
  const rule = builder.rule(0, EXACT_AND_SUBTREE, ACTION_LISTED);
  for (let i = 0; i < count; i++) builder.add(rule, listed.bytes, listed.starts[i]);
  const addMs = performance.now() - begin;
  const memory = builder.build();
  const buildMs = performance.now() - begin;
  const index = new PolicyIndex(memory);

  begin = performance.now();
  const set = new Set<string>();
  const listedBuffer = Buffer.from(listed.bytes.buffer);
  for (let i = 0; i < count; i++) set.add(listedBuffer.toString('latin1', listed.starts[i], listed.starts[i + 1]));
  const setMs = performance.now() - begin;

  for (let added = 0; added < ASKED; ) {
    const labels = makeName(4);
    const wire = labels.map((label) => String.fromCharCode(label.length) + label);
    if (
      wire.some((_, i) =>
        set.has(
          `${wire
            .slice(0, i + 1)
            .toReversed()
            .join('')}\0`,
        ),
      )
    )
      continue;
    misses.add(labels);
    added++;
  }

  const over = (names: Names, run: () => number) => () => {
    for (let i = 0; i < ASKED; i++) {
      names.ask(i, question);
      kept += run();
    }
  };
  const look = () => index.lookup(question, 1);
  const lookSet = () => inSet(set, question);
  const [missDrawn, miss, missSet, nobody, hitDrawn, hit, hitSet] = nanoseconds([
    over(misses, () => question.labelCount),
    over(misses, look),
    over(misses, lookSet),
    over(misses, () => index.lookup(question, 0)),
    over(hits, () => question.labelCount),
    over(hits, look),
    over(hits, lookSet),
  ]) as [number, number, number, number, number, number, number];

  console.log(`\n**${count / 1e6} M names added, ${(memory.size.names / 1e6).toFixed(2)} M different**\n`);
  console.log('| what | index | Set of strings | ratio |\n|---|---|---|---|');
  const row = (what: string, one: number, other: number, digits = 0) =>
    console.log(`| ${what} | ${one.toFixed(digits)} | ${other.toFixed(digits)} | ${(one / other).toFixed(3)} |`);
  console.log(`| bytes a name | ${(memory.bytes / memory.size.names).toFixed(2)} | | |`);
  row(`building, ms (index: of it ${addMs.toFixed(0)} adding)`, buildMs, setMs);
  row('miss at 4 labels, ns', miss - missDrawn, missSet - missDrawn);
  row('hit, ns', hit - hitDrawn, hitSet - hitDrawn);
  console.log(`| no list consented to, ns | ${(nobody - missDrawn).toFixed(1)} | | |`);
}

const millions = process.argv.slice(2).map(Number);
for (const size of millions.length > 0 ? millions : [1, 5]) measure(Math.round(size * 1e6));
if (Number.isNaN(kept)) console.error('a lookup returned NaN');
