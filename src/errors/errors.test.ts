import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, type ErrorEntry, errorText, listenError, SekishoError } from './errors.ts';

const entries = Object.entries(ERRORS) as [ErrorCode, ErrorEntry][];

describe('the catalogue of errors', () => {
  it('names every code alike', () => {
    for (const [code] of entries) expect(code).toMatch(/^SEKISHO_[A-Z]+(_[A-Z]+)*$/);
  });

  it('documents every code with a meaning and a remedy of its own', () => {
    for (const [code, { meaning, remedy }] of entries) {
      expect(meaning, code).toMatch(/^[A-Z].{20,}\.$/);
      expect(remedy, code).toMatch(/^[A-Z`].{20,}\.$/);
    }
    expect(new Set(entries.map(([, entry]) => entry.meaning)).size).toBe(entries.length);
    expect(new Set(entries.map(([, entry]) => entry.remedy)).size).toBe(entries.length);
  });

  it('exits with 2 for wrong use alone', () => {
    const wrongUse = entries.filter(([, entry]) => entry.exitCode === 2).map(([code]) => code);
    expect(wrongUse).toEqual(['SEKISHO_USAGE']);
    expect(entries.every(([, entry]) => entry.exitCode === 1 || entry.exitCode === 2)).toBe(true);
  });
});

describe('SekishoError', () => {
  it('carries code, exit code, details and cause', () => {
    const cause = new Error('below');
    const error = new SekishoError('SEKISHO_USAGE', 'no such command', { cause, details: ['one', 'two'] });
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message, exitCode: error.exitCode, cause: error.cause }).toMatchObject({
      code: 'SEKISHO_USAGE',
      message: 'no such command',
      exitCode: 2,
      details: ['one', 'two'],
      cause,
    });
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
