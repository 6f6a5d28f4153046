import { describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { NONE } from './int-records.ts';
import { reporterOf, sessionName } from './session-name.ts';
import { SESSION, Sessions } from './sessions.ts';

const source = addressWords('192.0.2.1');
const nas = (identifier: string) => reporterOf({ source, identifier });

describe('sessions', () => {
  it('are found by number and reporter, however many there are, and no more when they are gone', () => {
    const sessions = new Sessions();
    const names = Array.from({ length: 50_000 }, (_, i) => sessionName(String(i >> 1), nas(`bng${i & 1}`)));
    const made = names.map((name) => sessions.add(name));
    names.forEach((name, i) => {
      if (i % 3 === 0) sessions.remove(made[i]!);
      else expect(sessions.find(name)).toBe(made[i]);
    });
    names.forEach((name, i) => {
      expect(sessions.find(name)).toBe(i % 3 === 0 ? NONE : made[i]);
    });
    const again = sessions.add(names[0]!);
    expect([sessions.find(names[0]!), sessions.get(again, SESSION.FIRST_CLAIM)]).toEqual([again, 0]);
  });

  it('of a reporter that says less, or more, are the same where only one can be meant', () => {
    const sessions = new Sessions();
    const one = sessions.add(sessionName('1', nas('bng1')));
    expect(sessions.find(sessionName('1', reporterOf({ source })))).toBe(one);
    expect(sessions.find(sessionName('1', reporterOf({ source, identifier: 'bng1', address: source })))).toBe(one);
    expect(sessions.find(sessionName('1', nas('bng2')))).toBe(NONE);
    sessions.add(sessionName('1', nas('bng2')));
    expect(sessions.find(sessionName('1', reporterOf({ source })))).toBe(NONE);
  });

  it('that have ended are forgotten after a while, unless they began again', () => {
    const sessions = new Sessions();
    const names = ['a', 'b', 'c'].map((id) => sessionName(id, nas('bng1')));
    const [a, b, c] = names.map((name) => sessions.add(name)) as [number, number, number];
    sessions.end(a, 100);
    sessions.end(b, 110);
    sessions.end(c, 120);
    sessions.set(b, SESSION.FLAGS, 1);
    sessions.forgetEnded(111);
    expect(names.map((name) => sessions.find(name))).toEqual([NONE, b, c]);
    sessions.end(b, 130);
    sessions.forgetEnded(200);
    expect(names.map((name) => sessions.find(name))).toEqual([NONE, NONE, NONE]);
  });

  it('are remembered in the order in which they ended, many of them too', () => {
    const sessions = new Sessions();
    const names = Array.from({ length: 5000 }, (_, i) => sessionName(String(i), nas('bng1')));
    names.forEach((name, i) => {
      sessions.end(sessions.add(name), i);
      // Those of long ago go meanwhile.
      if (i % 7 === 0) sessions.forgetEnded(i - 2500);
    });
    sessions.forgetEnded(4000);
    expect(names.map((name) => sessions.find(name) !== NONE).indexOf(true)).toBe(4000);
    expect(names.slice(4000).every((name) => sessions.isEnded(sessions.find(name)))).toBe(true);
  });
});
