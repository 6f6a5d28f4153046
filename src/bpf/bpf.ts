/**
 * bpf(2): maps, programs and links, as descriptors of this process. Everything ends with the last descriptor of it, so a process
 * that dies, however it dies, leaves nothing behind in the kernel.
 *
 * Not for the packet path, except where somebody bounds how often. The structures are those of union bpf_attr (linux/bpf.h).
 */
import { ENOENT, libc, type NativeMemory, putPointer } from '../system/libc.ts';

/** enum bpf_cmd. */
const MAP_CREATE = 0;
const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const MAP_DELETE = 3;
const MAP_NEXT_KEY = 4;
const PROG_LOAD = 5;
const OBJECT_INFO = 15;
const LINK_CREATE = 28;
const LINK_UPDATE = 29;
const LINK_BY_ID = 30;
const LINK_DETACH = 34;

/** enum bpf_map_type. */
export const MAP_HASH = 1;
export const MAP_PERCPU_ARRAY = 6;
export const MAP_LPM_TRIE = 11;
export const MAP_XSKMAP = 17;
/** LPM tries cannot be allocated ahead. */
export const MAP_NO_PREALLOC = 1;

/** enum bpf_prog_type. */
export const PROGRAM_SOCKET_FILTER = 1;
export const PROGRAM_XDP = 6;

/** enum bpf_attach_type. */
export const ATTACH_XDP = 37;
/** IFLA_XDP_FLAGS: by the driver, or by the kernel's stack for those that cannot. */
export const XDP_BY_STACK = 2;
export const XDP_BY_DRIVER = 4;

/** enum bpf_func_id. */
export const CALL_MAP_LOOKUP = 1;
export const CALL_REDIRECT_MAP = 51;
export const CALL_LOAD_BYTES_RELATIVE = 68;
/** CLOCK_MONOTONIC as of the last tick, which costs next to nothing; Linux 5.11. */
export const CALL_KTIME_GET_COARSE_NS = 160;

/** What the kernel refused. `errno` is its number. */
export class BpfError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: ${ERRORS.get(errno) ?? `error ${errno}`}`);
    this.errno = errno;
  }
}

const ERRORS = new Map([
  [1, 'operation not permitted'],
  [2, 'no such entry'],
  [7, 'the table is full'],
  [12, 'out of memory'],
  [16, 'somebody else has one there'],
  [19, 'no such device'],
  [22, 'invalid argument'],
  [34, 'out of range'],
  [38, 'this kernel has no bpf(2)'],
  [95, 'not supported'],
]);

export interface MapSpec {
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entries: number;
  readonly flags?: number;
  /** Up to 15 letters, digits and underscores: what bpftool shows. */
  readonly name: string;
}

/** Scratch memory of one thread: the attributes, then what they point to. */
const ATTRIBUTES_BYTES = 144;
const KEY_AT = 256;
const VALUE_AT = 512;
const NEXT_AT = 768;
/** Values of one entry for all processors: up to 16 bytes for each of 512. */
const VALUES_AT = 1024;
const SCRATCH_BYTES = VALUES_AT + 16 * 512;
const LOG_BYTES = 256 * 1024;
const LICENCE = 'Dual MIT/GPL';

export class Bpf {
  readonly #libc = libc();
  readonly #memory: NativeMemory = libc().allocate(SCRATCH_BYTES);

  /** Descriptor of a new map. Throws BpfError. */
  createMap({ type, keyBytes, valueBytes, entries, flags = 0, name }: MapSpec): number {
    const words = this.#clear();
    words[0] = type;
    words[1] = keyBytes;
    words[2] = valueBytes;
    words[3] = entries;
    words[4] = flags;
    this.#putText(28, name.slice(0, 15));
    return this.#call(MAP_CREATE, `map ${name}`);
  }

  update(map: number, key: Uint8Array, value: Uint8Array): void {
    this.#aim(map, key);
    this.#memory.bytes.set(value, VALUE_AT);
    this.#call(MAP_UPDATE, 'update of a map');
  }

  /** False where the map did not have it. */
  remove(map: number, key: Uint8Array): boolean {
    putPointer(this.#aim(map, key), 4, 0);
    return this.#callOrNothing(MAP_DELETE, 'removal from a map');
  }

  /** The entry's `bytes` bytes, a copy; for maps per processor those of all of them, one behind the other. */
  lookup(map: number, key: Uint8Array, bytes: number): Uint8Array | undefined {
    const words = this.#aim(map, key);
    putPointer(words, 4, this.#memory.address + VALUES_AT);
    if (!this.#callOrNothing(MAP_LOOKUP, 'look into a map')) return undefined;
    return this.#memory.bytes.slice(VALUES_AT, VALUES_AT + bytes);
  }

  /** All keys, at most `limit`: what is added or removed meanwhile may be missing or come twice. */
  keys(map: number, keyBytes: number, limit: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let key: Uint8Array | undefined;
    while (found.length < limit) {
      const words = this.#clear();
      words[0] = map;
      if (key) {
        this.#memory.bytes.set(key, KEY_AT);
        putPointer(words, 2, this.#memory.address + KEY_AT);
      }
      putPointer(words, 4, this.#memory.address + NEXT_AT);
      if (!this.#callOrNothing(MAP_NEXT_KEY, 'walk through a map')) break;
      key = this.#memory.bytes.slice(NEXT_AT, NEXT_AT + keyBytes);
      found.push(key);
    }
    return found;
  }

  /** Descriptor of a program that the verifier has let pass. Throws BpfError, with the verifier's last words. */
  loadProgram(type: number, instructions: Uint8Array, name: string): number {
    const code = this.#libc.allocate(instructions.length + LICENCE.length + 1);
    const log = this.#libc.allocate(LOG_BYTES);
    try {
      code.bytes.set(instructions);
      for (let i = 0; i < LICENCE.length; i++) code.bytes[instructions.length + i] = LICENCE.charCodeAt(i);
      const load = (withLog: boolean): number => {
        const words = this.#clear();
        words[0] = type;
        words[1] = instructions.length / 8;
        putPointer(words, 2, code.address);
        putPointer(words, 4, code.address + instructions.length);
        if (withLog) {
          words[6] = 1;
          words[7] = LOG_BYTES;
          putPointer(words, 8, log.address);
        }
        this.#putText(48, name.slice(0, 15));
        return this.#libc.bpf(PROG_LOAD, this.#memory.address, ATTRIBUTES_BYTES);
      };
      let fd = load(false);
      if (fd >= 0) return fd;
      const { errno } = this.#error('');
      // Once more, for the reason.
      fd = load(true);
      if (fd >= 0) return fd;
      throw new BpfError(`program ${name}${lastWords(log.bytes)}`, errno);
    } finally {
      this.#libc.free(code.address);
      this.#libc.free(log.address);
    }
  }

  /** Attach a program to an interface. The descriptor holds it there. Throws BpfError. */
  attachXdp(program: number, interfaceIndex: number, mode: number): number {
    const words = this.#clear();
    words[0] = program;
    words[1] = interfaceIndex;
    words[2] = ATTACH_XDP;
    words[3] = mode;
    return this.#call(LINK_CREATE, 'attaching the program');
  }

  /** Put another program in the place of the one that the link holds, without a gap. */
  replaceProgram(link: number, program: number): void {
    const words = this.#clear();
    words[0] = link;
    words[1] = program;
    this.#call(LINK_UPDATE, 'replacing the program');
  }

  /** What an operator does with `bpftool link detach`. */
  detach(link: number): void {
    this.#clear()[0] = link;
    this.#call(LINK_DETACH, 'detaching the program');
  }

  /** Index of the interface that the link holds a program at; 0 where somebody took it off, or the interface has gone. */
  attachedTo(link: number): number {
    // struct bpf_link_info: type, id, prog_id, padding, then what depends on the type.
    return this.#info(link)[4]!;
  }

  /** Descriptor of the link of this number. */
  openLink(id: number): number {
    this.#clear()[0] = id;
    return this.#call(LINK_BY_ID, `link ${id}`);
  }

  /** What the kernel says of a link or program, as words. */
  #info(descriptor: number, bytes = 64): Int32Array {
    const words = this.#clear();
    words[0] = descriptor;
    words[1] = bytes;
    putPointer(words, 2, this.#memory.address + VALUES_AT);
    this.#memory.bytes.fill(0, VALUES_AT, VALUES_AT + bytes);
    this.#call(OBJECT_INFO, 'asking about a link or program');
    return this.#memory.words.subarray(VALUES_AT / 4, (VALUES_AT + bytes) / 4);
  }

  /** How often a program ran and for how many nanoseconds, while kernel.bpf_stats_enabled is on. */
  runTime(program: number): { readonly runs: number; readonly nanoseconds: number } {
    this.#info(program, 232);
    const view = new DataView(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset + VALUES_AT);
    // struct bpf_prog_info: run_time_ns, run_cnt.
    return { nanoseconds: Number(view.getBigUint64(192, true)), runs: Number(view.getBigUint64(200, true)) };
  }

  close(descriptor: number): void {
    this.#libc.close(descriptor);
  }

  /** Give the memory back; nothing is to be called any more. */
  end(): void {
    this.#libc.free(this.#memory.address);
  }

  #clear(): Int32Array {
    this.#memory.bytes.fill(0, 0, ATTRIBUTES_BYTES);
    return this.#memory.words;
  }

  /** The attributes of calls about one entry. */
  #aim(map: number, key: Uint8Array): Int32Array {
    const words = this.#clear();
    words[0] = map;
    this.#memory.bytes.set(key, KEY_AT);
    putPointer(words, 2, this.#memory.address + KEY_AT);
    putPointer(words, 4, this.#memory.address + VALUE_AT);
    return words;
  }

  #putText(at: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.#memory.bytes[at + i] = text.charCodeAt(i);
  }

  #call(command: number, what: string): number {
    const result = this.#libc.bpf(command, this.#memory.address, ATTRIBUTES_BYTES);
    if (result < 0) throw this.#error(what);
    return result;
  }

  #callOrNothing(command: number, what: string): boolean {
    if (this.#libc.bpf(command, this.#memory.address, ATTRIBUTES_BYTES) >= 0) return true;
    const error = this.#error(what);
    if (error.errno === ENOENT) return false;
    throw error;
  }

  #error(what: string): BpfError {
    return new BpfError(what, this.#libc.errno());
  }
}

/** The end of the verifier's log, where it says what it did not like. */
function lastWords(log: Uint8Array): string {
  const end = log.indexOf(0);
  const lines = Buffer.from(log.subarray(0, end < 0 ? log.length : end))
    .toString('latin1')
    .trim()
    .split('\n');
  const telling = lines.filter((line) => !line.startsWith('processed ') && line !== '');
  return telling.length === 0 ? '' : ` (${telling.slice(-2).join('; ')})`;
}
