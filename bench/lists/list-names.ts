/**
 * Names as lists hold them, from a seed: a registrable name under a suffix drawn by Zipf's law, and none to three labels
 * before it.
 */

const SUFFIXES =
  'com net org jp.co xyz top info ru de cn shop online jp uk.co br.com site io club live jp.ne au.com in eu fr biz vip pro icu cc tk'
    .split(' ')
    .map((text) => text.split('.'));
const SUFFIX_SUM = SUFFIXES.reduce((sum, _, i) => sum + 1 / (i + 1), 0);
const HOSTS = 'www mail cdn api login static img m secure update ns1 app dl s3 cloud shop'.split(' ');
const SYLLABLES = 'ka ri to shi ne wa mo an el in or sta ter net lo ve bank pay fast go my en er ch da la ma'.split(
  ' ',
);

export interface NameMaker {
  /** 0 ≤ value < 1. */
  random(): number;
  /** Labels from the right; as many as wanted, where a number is given. */
  makeName(labels?: number): string[];
}

export function nameMaker(start: number): NameMaker {
  let seed = start;

  function random(): number {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) * 2 ** -32;
  }

  /** Registrable names are made of syllables, sometimes with digits or a hyphen; 5 to 20 characters. */
  function registrable(): string {
    let text = '';
    for (let n = 3 + Math.floor(random() * 4); n > 0; n--) text += SYLLABLES[Math.floor(random() * SYLLABLES.length)];
    const form = random();
    if (form < 0.25) text += Math.floor(random() * 10000);
    else if (form < 0.4) text += `-${SYLLABLES[Math.floor(random() * SYLLABLES.length)]}`;
    return text;
  }

  function host(): string {
    return random() < 0.6 ? HOSTS[Math.floor(random() * HOSTS.length)]! : Math.floor(random() * 2 ** 32).toString(36);
  }

  function makeName(labels = 0): string[] {
    let point = random() * SUFFIX_SUM;
    let i = 0;
    while (i < SUFFIXES.length - 1 && point > 1 / (i + 1)) point -= 1 / ++i;
    const name = [...SUFFIXES[i]!, registrable()];
    const wanted = labels || name.length + [0, 0, 0, 0, 1, 1, 1, 1, 2, 3][Math.floor(random() * 10)]!;
    while (name.length < wanted) name.push(host());
    return name;
  }

  return { random, makeName };
}

/** `count` different names as text. */
export function listNames(count: number, seed: number): string[] {
  const { makeName } = nameMaker(seed);
  const names = new Set<string>();
  while (names.size < count) names.add(makeName().toReversed().join('.'));
  return [...names];
}
