import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)));

describe('domains', () => {
  it('takes names, wildcards and leading dots', () => {
    const { rules, bad } = collectEntries(
      'domains',
      'a.example\n*.b.example\n.c.example\n_dmarc.D.Example.\n-odd-.example\n',
    );
    expect(rules).toEqual([
      '1 =a.example listed',
      '2 *b.example listed',
      '3 +c.example listed',
      '4 =_dmarc.d.example listed',
      '5 =-odd-.example listed',
    ]);
    expect(bad).toEqual([]);
  });

  it('covers what is below plain names where the list is declared so', () => {
    const { rules } = collectEntries('domains', 'a.example\n*.b.example\n', { match: 'subtree' });
    expect(rules).toEqual(['1 +a.example listed', '2 *b.example listed']);
  });

  it('skips comments, blank lines, blanks, Windows line ends and a byte order mark', () => {
    const text = '\uFEFFa.example\r\n# comment\r\n ; comment\r\n\r\n\t b.example \t# why\r\nc.example;why\r\nd.example';
    const { rules, bad, lines } = collectEntries('domains', text);
    expect(rules).toEqual(['1 =a.example listed', '5 =b.example listed', '6 =c.example listed', '7 =d.example listed']);
    expect(bad).toEqual([]);
    expect(lines).toBe(7);
  });

  it('turns internationalised names into A-labels', () => {
    const { names, bad } = collectEntries('domains', '日本語.example\n*.BÜCHER.example\nfoo。例え.テスト\n');
    expect(names).toEqual(['*.xn--bcher-kva.example', 'foo.xn--r8jz45g.xn--zckzah', 'xn--wgv71a119e.example']);
    expect(bad).toEqual([]);
  });

  it.each([
    ['192.0.2.1', '1:1 address'],
    ['192.0.2.1:8080', '1:10 address'],
    ['192.0.2.0/24', '1:10 address'],
    ['2001:db8::1', '1:5 address'],
    ['[2001:db8::1]:53', '1:1 address'],
    ['0056.0151.0121.0114', '1:1 address'],
    ['0x5bf076a8', '1:1 address'],
    ['1.2.3.4.5', '1:1 address'],
    ['１９２.0.2.1', '1:1 address'],
    ['http://a.example/', '1:5 url'],
    ['a.example/path', '1:10 url'],
    ['a.example:80', '1:10 url'],
    ['.', '1:1 root'],
    ['*', '1:1 root'],
    ['*.', '1:1 root'],
    ['com', '1:1 single-label'],
    ['*.com', '1:3 single-label'],
    ['com.', '1:1 single-label'],
    ['a..example', '1:3 empty-label'],
    ['..example', '1:2 empty-label'],
    ['a.example..', '1:11 empty-label'],
    ['a*b.example', '1:2 wildcard'],
    ['a.*.example', '1:3 wildcard'],
    ['**.example', '1:1 wildcard'],
    ['a.example b.example', '1:11 extra-text'],
    ['user@a.example', '1:5 bad-character'],
    ['<b>a.example</b>x', '1:1 bad-character'],
    ['a\u001b[31m.example', '1:2 bad-character'],
    ['a.\u200d\u200d.example', '1:3 bad-idn'],
    [`${'a'.repeat(64)}.example`, '1:65 label-too-long'],
    [`${'a.'.repeat(130)}example`, '1:255 name-too-long'],
    [`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(62)}`, '1:1 name-too-long'],
    ['x'.repeat(5000), '1:4097 line-too-long'],
  ])('rejects %s with its reason and takes the next line', (line, reason) => {
    const { rules, bad, refusal } = collectEntries(
      'domains',
      `${line === '<b>a.example</b>x' ? '#\n' : ''}${line}\nnext.example\n`,
    );
    expect(bad.map((text) => text.replace(/^2:/, '1:'))).toEqual([reason]);
    expect(rules.map((rule) => rule.slice(2))).toEqual(['=next.example listed']);
    expect(refusal).toBeUndefined();
  });

  it('takes a name of exactly 255 bytes on the wire, with and without the final dot', () => {
    const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    expect(collectEntries('domains', `${name}\n${name}.\n`).names).toEqual([name]);
  });

  it('rejects bytes that are not UTF-8', () => {
    expect(collectEntries('domains', bytes('a', [0xff], '.example\nb.example')).bad).toEqual(['1:2 not-utf8']);
  });

  it('takes single labels only where it is told to', () => {
    expect(collectEntries('domains', 'zip\n*.zip\n', { singleLabels: true }).names).toEqual(['*.zip', 'zip']);
  });
});

describe('files that are no list', () => {
  it.each([
    ['nothing', bytes(), 'empty-file'],
    ['blanks only', bytes(' \r\n\r\n\t'), 'empty-file'],
    ['a byte order mark alone', bytes([0xef, 0xbb, 0xbf]), 'empty-file'],
    ['a captive portal', bytes('\n\n<!DOCTYPE html><html><body>Log in</body></html>'), 'html'],
    ['HTML behind a byte order mark', bytes([0xef, 0xbb, 0xbf], ' <HTML>'), 'html'],
    ['UTF-16, little-endian', bytes([0xff, 0xfe, 0x61, 0, 0x2e, 0]), 'utf-16'],
    ['UTF-16, big-endian', bytes([0xfe, 0xff, 0, 0x61, 0, 0x2e]), 'utf-16'],
    ['UTF-16 without a mark', bytes([0x61, 0, 0x2e, 0, 0x62, 0]), 'binary'],
    ['gzip', bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), 'binary'],
    ['NUL far inside', bytes('a.example\n'.repeat(1000), [0], 'b.example\n'), 'binary'],
    ['a line without end', new Uint8Array(1_100_000).fill(0x61), 'endless-line'],
  ])('refuses %s', (_, input, reason) => {
    for (const cut of [1, 7, 65_536]) {
      if (input.length > 100_000 && cut < 1000) continue;
      expect(collectEntries('domains', input, {}, cut).refusal?.reason).toBe(reason);
    }
  });
});

describe('what is kept of bad lines', () => {
  it('counts all and keeps the first ten of each reason, in a form that no terminal or page acts on', () => {
    const text = `${'192.0.2.1\n'.repeat(5000)}<script>\u001b]0:x\u0007"&'\\\n`;
    const { rejected, reasons, rejectedLines } = collectEntries('domains', text);
    expect(rejected).toBe(5001);
    expect(reasons).toEqual({ address: 5000, 'bad-character': 1 });
    expect(rejectedLines).toHaveLength(11);
    expect(rejectedLines.at(-1)?.excerpt).toBe('\\x3cscript\\x3e\\x1b]0:x\\x07\\x22\\x26\\x27\\x5c');
    expect(rejectedLines.every(({ excerpt }) => excerpt.length <= 81)).toBe(true);
  });
});

describe('any bytes', () => {
  it('never throw, and how they are cut into chunks does not matter', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'a.example',
        '*.b.example',
        '\n',
        '\r\n',
        '#',
        ' ',
        '.',
        '日本.example',
        '192.0.2.1',
        'x'.repeat(70),
      ),
      fc.uint8Array({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), (pieces, cut) => {
        const input = bytes(...pieces.map((part) => (typeof part === 'string' ? part : [...part])));
        for (const format of ['domains', 'hosts', 'adblock', 'csv', 'jsonl', 'rpz'] as const) {
          const options = { columns: { name: '1', header: false, separator: ',' as const } };
          const whole = collectEntries(format, input, options);
          const cutUp = collectEntries(format, input, options, cut);
          expect({ ...cutUp, bytes: 0 }).toEqual({ ...whole, bytes: 0 });
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
