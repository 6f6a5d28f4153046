import { expect, test } from 'vitest';
import { generalError, SekishoError } from './errors.ts';
import { faultOf, faultText } from './fault-text.ts';

const SECRET = 'who-asked.victim.example from 192.0.2.77';

function thrower(): Error {
  return new TypeError(`cannot read ${SECRET}`);
}

test('the kind and the places, and not a word of the text', () => {
  const fault = faultOf(thrower());
  expect(fault.error).toBe('TypeError');
  expect(fault.places.join()).toMatch(/thrower .*fault-text\.test\.ts:\d+:\d+/);
  expect(JSON.stringify(fault)).not.toMatch(/victim|192\.0\.2/);
  expect(faultText(thrower())).toContain(SECRET);
});

test.each([
  [
    'a text over several lines that looks like a stack',
    () => new Error(`x\n    at ${SECRET} (file:///a.js:1:1)\n    at f (${SECRET}:1:1)`),
  ],
  ['a name that was set', () => Object.assign(new Error('x'), { name: SECRET })],
  ['a stack that was set', () => Object.assign(new Error('x'), { stack: `Error\n    at ${SECRET}` })],
  ['no error at all', () => SECRET],
  ['an object', () => ({ message: SECRET, stack: SECRET })],
  ['a stack that is none', () => Object.assign(new Error('x'), { stack: { toString: () => SECRET } })],
])('%s', (_, make) => {
  expect(JSON.stringify(faultOf(make()))).not.toMatch(/victim|192\.0\.2/);
});

test('a code that is none is not told', () => {
  const entry = { status: 500, exitCode: 1, remedy: 'None.' } as const;
  expect(JSON.stringify(faultOf(new SekishoError(SECRET, entry, 'x')))).not.toMatch(/victim|192\.0\.2/);
});

test('one of ours is told by its code; what has no text is no trouble', () => {
  expect(faultOf(generalError('SEKISHO_NOT_READY', SECRET)).error).toBe('SEKISHO_NOT_READY');
  expect(
    faultText({
      toString: () => {
        throw new Error('no');
      },
    }),
  ).toBe('something that has no text');
});

const ENTRY = { status: 500, exitCode: 1, remedy: 'Look at the log.' } as const;

test('where an error of ours tells of another one, the places are where that one arose, and still not its text', () => {
  const wrapped = new SekishoError('SEKISHO_PLUGIN_FAILED', ENTRY, `plugin x: ${SECRET}`, {
    cause: new SekishoError('SEKISHO_NOT_READY', ENTRY, SECRET, { cause: thrower() }),
  });
  const fault = faultOf(wrapped);
  expect(fault.error).toBe('SEKISHO_PLUGIN_FAILED');
  expect(fault.places[0]).toMatch(/thrower .*fault-text\.test\.ts:\d+:\d+/);
  expect(JSON.stringify(fault)).not.toMatch(/victim|192\.0\.2/);
  const noPlaces = faultOf(new SekishoError('SEKISHO_PLUGIN_FAILED', ENTRY, SECRET, { cause: SECRET }));
  expect(noPlaces.places[0]).toMatch(/fault-text\.test\.ts/);
  const circle = new Error(SECRET);
  circle.cause = circle;
  expect(faultOf(circle).places[0]).toMatch(/fault-text\.test\.ts/);
});
