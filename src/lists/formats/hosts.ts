/**
 * hosts(5) files: an address that leads nowhere, then names. 0.0.0.0, 127.0.0.0/8, :: and ::1 mean "listed"; a line that
 * maps a name to any other address is somebody's own hosts file or an attempt to redirect, and is rejected. The names
 * every hosts file has (localhost and the like) are skipped.
 */
import { isIP } from 'node:net';
import { type FormatContext, isBlank, type LineFormat, listName } from './format.ts';

const HASH = 0x23;
const DOT = 0x2e;

const LOCAL_NAMES = new Set([
  'localhost',
  'localhost.localdomain',
  'localhost4',
  'localhost4.localdomain4',
  'localhost6',
  'localhost6.localdomain6',
  'local',
  'localdomain',
  'broadcasthost',
  'ip6-localhost',
  'ip6-loopback',
  'ip6-localnet',
  'ip6-mcastprefix',
  'ip6-allnodes',
  'ip6-allrouters',
  'ip6-allhosts',
]);

export function hostsFormat(context: FormatContext): LineFormat {
  const { rejects, counts } = context;
  /** The address of the line before: it is nearly always the same. */
  let known = Uint8Array.from('0.0.0.0', (char) => char.charCodeAt(0));

  function leadsNowhere(bytes: Uint8Array, from: number, to: number): boolean {
    if (same(known, bytes, from, to)) return true;
    const address = latin1(bytes, from, to);
    if (!/^(0\.0\.0\.0|127\.\d+\.\d+\.\d+|::1?|0|0:0:0:0:0:0:0:[01])$/.test(address)) return false;
    if (address !== '0' && isIP(address) === 0) return false;
    known = bytes.slice(from, to);
    return true;
  }

  return {
    maxLineBytes: 4096,
    line(bytes, lineFrom, lineTo, line) {
      let from = lineFrom;
      while (from < lineTo && isBlank(bytes[from]!)) from++;
      let to = endOfToken(bytes, from, lineTo);
      if (to === from) return;
      const nowhere = leadsNowhere(bytes, from, to);
      const addressFrom = from;
      const addressTo = to;
      let names = 0;
      for (;;) {
        from = to;
        while (from < lineTo && isBlank(bytes[from]!)) from++;
        to = endOfToken(bytes, from, lineTo);
        if (to === from) break;
        names++;
        if (isLocal(bytes, from, to)) {
          counts.skipped++;
        } else if (nowhere) {
          listName(context, bytes, from, to, line, lineFrom);
        } else {
          const address = isIP(latin1(bytes, addressFrom, addressTo).replace(/%.*$/, '')) !== 0;
          const reason = address ? 'other-address' : 'no-address';
          rejects.reject(line, addressFrom - lineFrom + 1, reason, bytes, lineFrom, lineTo);
          return;
        }
      }
      if (names === 0) {
        const reason = nowhere || isIP(latin1(bytes, addressFrom, addressTo)) !== 0 ? 'empty-name' : 'no-address';
        rejects.reject(line, addressFrom - lineFrom + 1, reason, bytes, lineFrom, lineTo);
      }
    },
  };
}

function endOfToken(bytes: Uint8Array, from: number, lineTo: number): number {
  let to = from;
  while (to < lineTo && bytes[to] !== HASH && !isBlank(bytes[to]!)) to++;
  return to;
}

/** Only names of one label, or of a first label `localhost…`, are worth a string. */
function isLocal(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > 24) return false;
  let dot = from;
  while (dot < to && bytes[dot] !== DOT) dot++;
  if (dot < to && ((bytes[from]! | 0x20) !== 0x6c || dot - from < 9 || dot - from > 10)) return false;
  return LOCAL_NAMES.has(latin1(bytes, from, to).toLowerCase());
}

function same(one: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== one.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== bytes[from + i]) return false;
  return true;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, Math.min(to, from + 64)));
}
