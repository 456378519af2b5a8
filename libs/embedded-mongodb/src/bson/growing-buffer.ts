/** A buffer to append bytes to, which grows as needed. */
export class GrowingBuffer {
  bytes: Buffer;
  /** Where the next byte goes. */
  at = 0;

  /** @param size initial size in bytes */
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  /** Makes sure that this many bytes can be written. */
  room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
