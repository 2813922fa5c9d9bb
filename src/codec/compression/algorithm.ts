/** Compresses and decompresses; synchronously, where that is quick. */
export interface Algorithm {
  /** The bytes must not change until it completes. */
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Returns exactly `size` bytes, and stops at any further ones: memory is limited to twice that.
   * @throws {Error} the bytes are no stream, not exactly one whole stream, or one of another size
   */
  inflate(bytes: Uint8Array, size: number): Uint8Array | Promise<Uint8Array>
}

/** The decompressed size differs from the one that the item claims. */
export function wrongSize(size: number, found: string): Error {
  return new Error(`expected a stream that inflates to ${size} bytes, found ${found}`)
}
