/**
 * Names between wire form and text (RFC 1035 §5.1, RFC 4343). Not for the packet path: strings are made here.
 */
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from './constants.ts';

/** Thrown by `textToName`: the text is no domain name. */
export class NameError extends Error {}

/** The uncompressed wire name at `at` as text, without the final dot; `.` for the root. Odd bytes are escaped. */
export function nameToText(bytes: Uint8Array, at = 0): string {
  let text = '';
  for (let size = bytes[at]!; size > 0 && size <= MAX_LABEL_BYTES; size = bytes[at]!) {
    if (text) text += '.';
    for (let i = at + 1; i <= at + size; i++) text += escaped(bytes[i]!);
    at += size + 1;
  }
  return text || '.';
}

/**
 * A name in text as lowercased wire bytes. Takes a final dot, `\.` and `\DDD` escapes; names beyond ASCII are to be
 * given as A-labels (use `domainToASCII` of node:url first). Throws NameError with the reason.
 */
export function textToName(text: string): Uint8Array {
  if (text === '.') return new Uint8Array(1);
  const bytes: number[] = [];
  let labelAt = 0;
  let size = 0;
  bytes.push(0);
  const end = text.endsWith('.') && !text.endsWith('\\.') ? text.length - 1 : text.length;
  for (let i = 0; i < end; i++) {
    const char = text[i]!;
    if (char === '.') {
      closeLabel();
      labelAt = bytes.length;
      bytes.push(0);
      size = 0;
      continue;
    }
    let code = char.charCodeAt(0);
    if (char === '\\') {
      const digits = /^\d{3}/.exec(text.slice(i + 1))?.[0];
      if (digits && Number(digits) > 255) throw new NameError(`'\\${digits}' is no byte`);
      if (!digits && i + 1 >= end) throw new NameError('ends in a lone backslash');
      code = digits ? Number(digits) : text.charCodeAt(i + 1);
      i += digits ? 3 : 1;
    }
    if (code > 0x7f && char !== '\\') throw new NameError(`'${char}' is not ASCII: write the A-label (xn--…)`);
    bytes.push(code >= 0x41 && code <= 0x5a ? code + 0x20 : code);
    size++;
  }
  closeLabel();
  bytes.push(0);
  if (bytes.length > MAX_NAME_BYTES)
    throw new NameError(`is ${bytes.length} bytes long on the wire; ${MAX_NAME_BYTES} is the limit`);
  return Uint8Array.from(bytes);

  function closeLabel(): void {
    if (size === 0) throw new NameError(text === '' ? 'is empty' : 'has an empty label');
    if (size > MAX_LABEL_BYTES) throw new NameError(`has a label of ${size} bytes; ${MAX_LABEL_BYTES} is the limit`);
    bytes[labelAt] = size;
  }
}

function escaped(byte: number): string {
  if (byte === 0x2e || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
  if (byte > 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\${String(byte).padStart(3, '0')}`;
}
