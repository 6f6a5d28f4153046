import { expect, test } from 'vitest';
import type { Identity } from '../audit/roles.ts';
import { FailedLogins, MOST_FAILURES, MOST_RECORDED, WITHIN_MS } from './failed-logins.ts';
import { carriesCsrf, LONGEST_MS, MOST_OF_ONE_TOKEN, MOST_SESSIONS, Sessions } from './sessions.ts';

const OPERATOR: Identity = { name: 'shift', roles: ['operator'] };
const WALL: Identity = { name: 'wall', roles: ['viewer'] };
const MINUTE = 60_000;

function turned() {
  const clock = { at: 1_000_000, nowMs: () => clock.at };
  return { clock, sessions: new Sessions(clock, 15 * MINUTE) };
}

test('a session ends when nobody does anything, and what the page asks by itself is nobody', () => {
  const { clock, sessions } = turned();
  const { id } = sessions.begin('t', OPERATOR);
  clock.at += 14 * MINUTE;
  expect(sessions.find(id, false)).toBeDefined();
  clock.at += MINUTE;
  expect(sessions.find(id, false)).toBeUndefined();
  // Nor does it come back.
  expect(sessions.find(id, true)).toBeUndefined();
});

test('a session goes on while somebody acts, and ends with its twelve hours all the same', () => {
  const { clock, sessions } = turned();
  const { id } = sessions.begin('t', OPERATOR);
  const began = clock.at;
  while (clock.at + 10 * MINUTE < began + LONGEST_MS) {
    clock.at += 10 * MINUTE;
    expect(sessions.find(id, true)).toBeDefined();
  }
  clock.at += 10 * MINUTE;
  expect(sessions.find(id, true)).toBeUndefined();
});

test('a screen on a wall, which can only look, lasts for the twelve hours', () => {
  const { clock, sessions } = turned();
  const { id } = sessions.begin('t', WALL);
  clock.at += LONGEST_MS - 1;
  expect(sessions.find(id, false)).toBeDefined();
  clock.at += 1;
  expect(sessions.find(id, false)).toBeUndefined();
});

test('logout ends it here: whoever kept the cookie has nothing', () => {
  const { sessions } = turned();
  const one = sessions.begin('t', OPERATOR);
  const other = sessions.begin('t', OPERATOR);
  sessions.end(one.id);
  expect(sessions.find(one.id, true)).toBeUndefined();
  expect(sessions.find(other.id, true)).toBe(other.session);
});

test('sessions of one token are bounded, and so are all: the one that rested longest gives way', () => {
  const { clock, sessions } = turned();
  const first = sessions.begin('t', OPERATOR);
  const second = sessions.begin('t', OPERATOR);
  for (let i = 2; i < MOST_OF_ONE_TOKEN; i++) sessions.begin('t', OPERATOR);
  clock.at += 1;
  sessions.find(first.id, true);
  sessions.begin('t', OPERATOR);
  expect(sessions.find(second.id, false)).toBeUndefined();
  expect(sessions.find(first.id, false)).toBeDefined();
  for (let i = 0; i < MOST_SESSIONS * 2; i++) sessions.begin(`t${i}`, OPERATOR);
  expect(sessions.size).toBe(MOST_SESSIONS);
});

test('what is looked up by is no cookie that a session has', () => {
  const { sessions } = turned();
  const { id } = sessions.begin('t', OPERATOR);
  for (const wrong of [undefined, '', 'x', `${id}x`, 'a'.repeat(5000)])
    expect(sessions.find(wrong, true)).toBeUndefined();
});

test('a change carries the secret of its session, and no other', () => {
  const { sessions } = turned();
  const { session } = sessions.begin('t', OPERATOR);
  const other = sessions.begin('t', OPERATOR).session;
  expect(carriesCsrf(session, session.csrf)).toBe(true);
  for (const wrong of [undefined, '', other.csrf, session.csrf.slice(1), [session.csrf], `${session.csrf} `])
    expect(carriesCsrf(session, wrong)).toBe(false);
});

test('logins that fail are limited by where they come from, a /64 being one place, and for a while', () => {
  const { clock } = turned();
  const failures = new FailedLogins(clock);
  for (let i = 0; i < MOST_FAILURES; i++) {
    expect(failures.waitSeconds('192.0.2.1')).toBe(0);
    failures.failed('192.0.2.1');
    failures.failed(`2001:db8::${i + 1}`);
  }
  expect(failures.waitSeconds('192.0.2.1')).toBe(WITHIN_MS / 1000);
  expect(failures.waitSeconds('192.0.2.2')).toBe(0);
  expect(failures.waitSeconds('2001:db8:0:0:ffff::9')).toBeGreaterThan(0);
  expect(failures.waitSeconds('2001:db8:0:1::1')).toBe(0);
  clock.at += WITHIN_MS;
  expect(failures.waitSeconds('192.0.2.1')).toBe(0);
  failures.failed('192.0.2.1');
  expect(failures.waitSeconds('192.0.2.1')).toBe(0);
});

test('a login that succeeds forgives those before', () => {
  const { clock } = turned();
  const failures = new FailedLogins(clock);
  for (let i = 0; i < MOST_FAILURES - 1; i++) failures.failed('192.0.2.1');
  failures.succeeded('192.0.2.1');
  failures.failed('192.0.2.1');
  expect(failures.waitSeconds('192.0.2.1')).toBe(0);
});

test('whoever tries from everywhere does not fill the audit log', () => {
  const { clock } = turned();
  const failures = new FailedLogins(clock);
  let recorded = 0;
  for (let i = 0; i < 10_000; i++) if (failures.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)) recorded++;
  expect(recorded).toBe(MOST_RECORDED);
  clock.at += WITHIN_MS;
  expect(failures.failed('192.0.2.9')).toBe(true);
});
