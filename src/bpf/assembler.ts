/**
 * A small assembler for eBPF: instructions as method calls, jumps by the names of labels, eight bytes each in the end. It knows
 * the instructions that the programs here use and no others; the kernel's verifier judges what comes out.
 *
 *     instruction   | opcode 8 | dst 4 | src 4 | offset 16 | immediate 32 |     (RFC 9669 §3)
 *
 * Registers: R0 result, R1–R5 arguments (lost in calls), R6–R9 kept, FP the end of the 512 bytes of stack (RFC 9669 §2).
 */

/** A register, by its number. */
export interface Register {
  readonly register: number;
}

const register = (number: number): Register => ({ register: number });

export const R0 = register(0);
export const R1 = register(1);
export const R2 = register(2);
export const R3 = register(3);
export const R4 = register(4);
export const R5 = register(5);
export const R6 = register(6);
export const R7 = register(7);
export const R8 = register(8);
export const R9 = register(9);
export const FP = register(10);

/** Widths of loads and stores, in bits. */
const SIZES = { 8: 0x10, 16: 0x08, 32: 0x00, 64: 0x18 } as const;
export type Width = keyof typeof SIZES;

const ALU = { add: 0x00, sub: 0x10, or: 0x40, and: 0x50, lsh: 0x60, rsh: 0x70, mov: 0xb0 } as const;
const JUMPS = { '==': 0x10, '>': 0x20, '>=': 0x30, '!=': 0x50, '<': 0xa0, '<=': 0xb0 } as const;
/** Unsigned comparisons. */
export type Comparison = keyof typeof JUMPS;

/** Classes and modes (RFC 9669 §3.2). */
const LDX_MEM = 0x61;
const ST_MEM = 0x62;
const STX_MEM = 0x63;
const STX_ATOMIC = 0xc3;
const ALU64 = 0x07;
const ALU32 = 0x04;
const JMP = 0x05;
const JMP32 = 0x06;
const FROM_REGISTER = 0x08;
const LD_IMM64 = 0x18;
const PSEUDO_MAP_FD = 1;
const CALL = 0x85;
const EXIT = 0x95;
const JUMP_ALWAYS = 0x05;
const TO_BIG_ENDIAN = 0xdc;
const OPCODE_BYTES = 8;

interface Instruction {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly immediate: number;
  /** Where it jumps to. */
  readonly target?: string;
  readonly text: string;
}

export class Assembler {
  readonly #code: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  mov(dst: Register, value: Register | number): this {
    return this.#arithmetic('mov', dst, value);
  }

  add(dst: Register, value: Register | number): this {
    return this.#arithmetic('add', dst, value);
  }

  sub(dst: Register, value: Register | number): this {
    return this.#arithmetic('sub', dst, value);
  }

  and(dst: Register, value: Register | number): this {
    return this.#arithmetic('and', dst, value);
  }

  or(dst: Register, value: Register | number): this {
    return this.#arithmetic('or', dst, value);
  }

  /** Keep the lower 32 bits. */
  low32(dst: Register): this {
    const { register: r } = dst;
    return this.#put({ opcode: ALU32 | FROM_REGISTER | ALU.mov, dst: r, src: r, text: `w${r} = w${r}` });
  }

  /** Turn the lower 16 bits from network order into the machine's, and clear the others. */
  fromNetwork16(dst: Register): this {
    return this.#put({ opcode: TO_BIG_ENDIAN, dst: dst.register, immediate: 16, text: `r${dst.register} = be16` });
  }

  /** `dst = *(src + offset)`, the rest of the register 0. */
  load(width: Width, dst: Register, src: Register, offset: number): this {
    const text = `r${dst.register} = *(u${width} *)(r${src.register} + ${offset})`;
    return this.#put({ opcode: LDX_MEM | SIZES[width], dst: dst.register, src: src.register, offset, text });
  }

  /** `*(dst + offset) = value`. */
  store(width: Width, dst: Register, offset: number, value: Register | number): this {
    const text = `*(u${width} *)(r${dst.register} + ${offset}) = ${valueText(value)}`;
    return typeof value === 'number'
      ? this.#put({ opcode: ST_MEM | SIZES[width], dst: dst.register, offset, immediate: value, text })
      : this.#put({ opcode: STX_MEM | SIZES[width], dst: dst.register, src: value.register, offset, text });
  }

  /** `*(u64 *)(dst + offset) += value`, whatever other processors do. */
  atomicAdd(dst: Register, offset: number, value: Register): this {
    const text = `lock *(u64 *)(r${dst.register} + ${offset}) += r${value.register}`;
    return this.#put({ opcode: STX_ATOMIC | SIZES[64], dst: dst.register, src: value.register, offset, text });
  }

  /** Where jumps to `name` arrive. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label '${name}' stands in two places`);
    this.#labels.set(name, this.#code.length);
    return this;
  }

  jump(target: string): this {
    return this.#put({ opcode: JUMP_ALWAYS, target, text: `goto ${target}` });
  }

  /** Jump where the comparison of all 64 bits holds. A number is taken for its signed 32 bits. */
  jumpIf(left: Register, comparison: Comparison, right: Register | number, target: string): this {
    return this.#compare(JMP, 'r', left, comparison, right, target);
  }

  /** Jump where the comparison of the lower 32 bits holds. */
  jumpIf32(left: Register, comparison: Comparison, right: Register | number, target: string): this {
    return this.#compare(JMP32, 'w', left, comparison, right, target);
  }

  /** `dst` = the map behind this descriptor. */
  map(dst: Register, descriptor: number): this {
    this.#put({
      opcode: LD_IMM64,
      dst: dst.register,
      src: PSEUDO_MAP_FD,
      immediate: descriptor,
      text: `r${dst.register} = map ${descriptor}`,
    });
    return this.#put({ opcode: 0, text: '' });
  }

  /** Call a helper of the kernel, by its number (enum bpf_func_id). */
  call(helper: number): this {
    return this.#put({ opcode: CALL, immediate: helper, text: `call ${helper}` });
  }

  exit(): this {
    return this.#put({ opcode: EXIT, text: 'exit' });
  }

  /** The program's bytes. Throws where a jump leads nowhere, or too far. */
  assemble(): Uint8Array {
    const bytes = new Uint8Array(this.#code.length * OPCODE_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [i, { opcode, dst, src, offset, immediate, target }] of this.#code.entries()) {
      const at = i * OPCODE_BYTES;
      view.setUint8(at, opcode);
      view.setUint8(at + 1, dst | (src << 4));
      view.setInt16(at + 2, target === undefined ? offset : this.#distance(i, target), true);
      view.setInt32(at + 4, immediate, true);
    }
    return bytes;
  }

  /** The program for people, one instruction a line, numbered as the verifier numbers them. */
  listing(): string {
    const at = new Map([...this.#labels].map(([name, place]) => [place, name]));
    return this.#code
      .flatMap(({ text }, i) => [...(at.has(i) ? [`${at.get(i)}:`] : []), ...(text === '' ? [] : [`${i}: ${text}`])])
      .join('\n');
  }

  #distance(from: number, target: string): number {
    const to = this.#labels.get(target);
    if (to === undefined) throw new Error(`there is no label '${target}' to jump to`);
    const distance = to - from - 1;
    if (distance < -0x8000 || distance > 0x7fff) throw new Error(`label '${target}' is too far away to jump to`);
    return distance;
  }

  #arithmetic(operation: keyof typeof ALU, dst: Register, value: Register | number): this {
    const text = `r${dst.register} ${operation} ${valueText(value)}`;
    return typeof value === 'number'
      ? this.#put({ opcode: ALU64 | ALU[operation], dst: dst.register, immediate: value, text })
      : this.#put({
          opcode: ALU64 | FROM_REGISTER | ALU[operation],
          dst: dst.register,
          src: value.register,
          text,
        });
  }

  #compare(
    kind: number,
    name: string,
    left: Register,
    comparison: Comparison,
    right: Register | number,
    target: string,
  ): this {
    const dst = left.register;
    const text = `if ${name}${dst} ${comparison} ${valueText(right)} goto ${target}`;
    return typeof right === 'number'
      ? this.#put({ opcode: kind | JUMPS[comparison], dst, immediate: right, target, text })
      : this.#put({ opcode: kind | FROM_REGISTER | JUMPS[comparison], dst, src: right.register, target, text });
  }

  #put(instruction: Partial<Instruction> & Pick<Instruction, 'opcode' | 'text'>): this {
    this.#code.push({ dst: 0, src: 0, offset: 0, immediate: 0, ...instruction });
    return this;
  }
}

function valueText(value: Register | number): string {
  return typeof value === 'number' ? String(value) : `r${value.register}`;
}
