import { describe, expect, it } from 'vitest';
import { type ErrorEntry, errorsOf, errorText, generalError, listenError, SekishoError } from './errors.ts';

const ENTRY: ErrorEntry = {
  status: 409,
  exitCode: 2,
  meaning: 'Two things cannot be true at once.',
  remedy: 'Take one of them away.',
};

describe('errorsOf', () => {
  const pairError = errorsOf({ SEKISHO_PAIR_WRONG: ENTRY });

  it('makes errors that carry their entry, details and cause', () => {
    const cause = new Error('below');
    const error = pairError('SEKISHO_PAIR_WRONG', 'both are set', { cause, details: ['one', 'two'] });
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'SekishoError',
      code: 'SEKISHO_PAIR_WRONG',
      message: 'both are set',
      status: 409,
      exitCode: 2,
      remedy: 'Take one of them away.',
      details: ['one', 'two'],
      cause,
    });
  });

  it.each([
    ['a code in small letters', { sekisho_pair: ENTRY }],
    ['a code of one word', { SEKISHO: ENTRY }],
    ['a status of success', { SEKISHO_PAIR: { ...ENTRY, status: 200 } }],
    ['an exit code of its own', { SEKISHO_PAIR: { ...ENTRY, exitCode: 3 as 2 } }],
  ])('refuses %s', (_, catalogue) => {
    expect(() => errorsOf(catalogue)).toThrow(TypeError);
  });

  it('refuses a code that is not in the catalogue', () => {
    // @ts-expect-error: the compiler refuses it too
    expect(() => pairError('SEKISHO_PAIR_RIGHT', 'x')).toThrow(TypeError);
    expect(() => pairError('toString' as 'SEKISHO_PAIR_WRONG', 'x')).toThrow(TypeError);
  });
});

describe('instanceof SekishoError', () => {
  it('holds over copies of the module, and for nothing else', async () => {
    const url = `${new URL('errors.ts', import.meta.url).href}?copy`;
    const copy = (await import(url)) as typeof import('./errors.ts');
    expect(copy.SekishoError).not.toBe(SekishoError);
    const foreign = copy.generalError('SEKISHO_NOT_READY', 'not yet');
    expect(foreign).toBeInstanceOf(SekishoError);
    expect(generalError('SEKISHO_NOT_READY', 'not yet')).toBeInstanceOf(copy.SekishoError);
    for (const other of [new Error('x'), { code: 'SEKISHO_NOT_READY' }, null, 'SEKISHO_NOT_READY'])
      expect(other).not.toBeInstanceOf(SekishoError);
  });
});

describe('listenError', () => {
  const failing = (code: string) => listenError('127.0.0.1:53', Object.assign(new Error('bind failed'), { code }));

  it('gives each common failure of bind its own code and names the address', () => {
    expect(failing('EADDRINUSE').code).toBe('SEKISHO_PORT_IN_USE');
    expect(failing('EACCES').code).toBe('SEKISHO_PORT_FORBIDDEN');
    expect(failing('EADDRNOTAVAIL').code).toBe('SEKISHO_ADDRESS_UNAVAILABLE');
    expect(failing('EMFILE').code).toBe('SEKISHO_LISTEN_FAILED');
    expect(failing('EADDRINUSE').message).toContain('127.0.0.1:53');
    expect(failing('EMFILE').message).toContain('bind failed');
  });
});

describe('errorText', () => {
  it('is one line without a stack', () => {
    expect(errorText(new Error('first\n    at somewhere'))).toBe('first');
    expect(errorText('plain')).toBe('plain');
    expect(errorText(new Error(''))).toBe('unknown error');
  });
});
