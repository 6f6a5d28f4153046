import { describe, expect, it } from 'vitest';
import { BUILT_IN_ANCHORS } from '../../resolve/validate/trust-anchors.ts';
import { anchorText, readAnchorFile } from './anchor-file.ts';

const DIGEST = 'E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D';
const KEY = 'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==';

describe('a file of trust anchors', () => {
  it('holds DS and DNSKEY records, with or without TTL and class, over several lines, with comments', () => {
    const { records, problems } = readAnchorFile(
      [
        '; autotrust trust anchor file',
        '$TTL 86400',
        `. IN DS 20326 8 2 ${DIGEST}`,
        '.\t172800\tIN\tDS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A45 0D612C483AF444A4C0FB2B16 ;;state=2',
        'example.net. IN 3600 DNSKEY 257 3 13 ( GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb',
        '   krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA== ) ; key id 55648',
        `Example.ORG ds 55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17`,
        '',
      ].join('\r\n'),
    );
    expect(problems).toEqual([]);
    expect(records.map(anchorText)).toEqual([
      '. DS 20326',
      '. DS 38696',
      'example.net DNSKEY 55648',
      'example.org DS 55648',
    ]);
    const [root] = BUILT_IN_ANCHORS;
    expect(records.slice(0, 2).map(({ data }) => data.subarray(4))).toEqual(root!.ds.map(({ digest }) => digest));
  });

  it.each([
    ['', 0, 'holds no DS or DNSKEY record'],
    ['; nothing\n', 0, 'holds no DS or DNSKEY record'],
    ['. IN A 192.0.2.1', 1, "'A' is no DS and no DNSKEY"],
    ['\n. IN DS 20326 8 2 E06D', 2, 'the digest has 2 bytes; type 2 has 32'],
    [`. IN DS 20326 8 9 ${DIGEST}`, 1, 'digest type 9 is not supported'],
    [`. IN DS 20326 5 2 ${DIGEST}`, 1, 'algorithm 5 is not supported'],
    [`. IN DS 99999 8 2 ${DIGEST}`, 1, "'99999' is no key tag"],
    ['. IN DS 20326', 1, 'the algorithm is missing'],
    [`. IN DS 20326 8 2 ${DIGEST.slice(2)}zz`, 1, 'not hexadecimal'],
    [`. IN DNSKEY 1 3 13 ${KEY}`, 1, 'may not sign a zone'],
    [`. IN DNSKEY 385 3 13 ${KEY}`, 1, 'is revoked'],
    [`. IN DNSKEY 257 4 13 ${KEY}`, 1, 'it must be 3'],
    ['. IN DNSKEY 257 3 13 ???', 1, 'not Base64'],
    [`. IN DNSKEY 257 3 13 ( ${KEY}`, 1, "'(' is not closed"],
    [`a..b. IN DS 20326 8 2 ${DIGEST}`, 1, 'empty label'],
    ['trust-anchors { . static-key 257 3 8 "AwE" };', 1, "BIND's form"],
    ['<?xml version="1.0"?>', 1, 'is XML'],
    ['$INCLUDE other.key', 1, 'is not taken here'],
  ])('refuses %j', (text, line, message) => {
    const { records, problems } = readAnchorFile(text);
    expect(records).toEqual([]);
    expect(problems[0]).toMatchObject({ line, message: expect.stringContaining(message) as string });
  });
});
