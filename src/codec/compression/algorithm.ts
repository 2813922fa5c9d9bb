/** Compresses and inflates; synchronously, where that is quick. */
export interface Algorithm {
  /** The bytes must not change until it is done. */
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Answers exactly `size` bytes, and stops when there are more: memory is bounded by twice that.
   * @throws {Error} the bytes are no stream, not one whole stream, or one of another size
   */
  inflate(bytes: Uint8Array, size: number): Uint8Array | Promise<Uint8Array>
}

/** The stream has another size than the item states. */
export function wrongSize(size: number, found: string): Error {
  return new Error(`expected a stream that inflates to ${size} bytes, found ${found}`)
}
