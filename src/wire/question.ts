/**
 * What is asked, and exactly what decides which answer it gets: name, type, class, DO, CD, and the partition where views ask
 * other servers. The cache is keyed by these and nothing else; identical questions waiting for the upstream are joined by them.
 */
export class Question {
  /** Lowercased name in wire form (RFC 4343), from byte 0. Bytes behind `nameLength` are undefined. */
  readonly name = new Uint8Array(256);
  /** The same bytes as little-endian words, for hashing and comparing. */
  readonly nameWords = new Int32Array(this.name.buffer);
  /** Bytes of `name` in use, root label included: 1–255; 0 while no question was read. */
  nameLength = 0;
  /** Labels of the name without the root, 0–127. */
  labelCount = 0;
  /** Where each label's length byte stands in `name`, leftmost label first. */
  readonly labelStarts = new Uint8Array(128);
  /** Keyed 64-bit hash of `name` (wire/siphash.ts), two signed 32-bit integers. */
  hashLow = 0;
  hashHigh = 0;
  type = 0;
  class = 0;
  /** The DO bit: the client wants DNSSEC records (RFC 3225). */
  dnssecOk = false;
  /** The CD bit: the client wants data that failed validation (RFC 4035 §3.2.2). */
  checkingDisabled = false;
  /**
   * Which servers and zones it is asked of: 0 is what stands at the top level of the configuration, any other number what some
   * view has instead (zones/partitions.ts). Answers never pass from one to another.
   */
  partition = 0;

  clear(): void {
    this.nameLength = 0;
    this.labelCount = 0;
    this.hashLow = 0;
    this.hashHigh = 0;
    this.type = 0;
    this.class = 0;
    this.dnssecOk = false;
    this.checkingDisabled = false;
    this.partition = 0;
  }

  copyFrom(other: Question): void {
    for (let i = 0, words = (other.nameLength + 3) >>> 2; i < words; i++) this.nameWords[i] = other.nameWords[i]!;
    for (let i = 0; i < other.labelCount; i++) this.labelStarts[i] = other.labelStarts[i]!;
    this.nameLength = other.nameLength;
    this.labelCount = other.labelCount;
    this.hashLow = other.hashLow;
    this.hashHigh = other.hashHigh;
    this.type = other.type;
    this.class = other.class;
    this.dnssecOk = other.dnssecOk;
    this.checkingDisabled = other.checkingDisabled;
    this.partition = other.partition;
  }

  /** True when both get the same answer. */
  equals(other: Question): boolean {
    if (
      this.hashLow !== other.hashLow ||
      this.hashHigh !== other.hashHigh ||
      this.type !== other.type ||
      this.class !== other.class ||
      this.nameLength !== other.nameLength ||
      this.dnssecOk !== other.dnssecOk ||
      this.checkingDisabled !== other.checkingDisabled ||
      this.partition !== other.partition
    ) {
      return false;
    }
    for (let i = 0; i < this.nameLength; i++) if (this.name[i] !== other.name[i]) return false;
    return true;
  }
}
