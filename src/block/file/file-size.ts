import { fstatSync, readSync } from 'node:fs'

/**
 * Checks that a regular file is still as long as it was, before each write. It has to be cheap: since Linux 6.13
 * `fstat` makes the next write update a timestamp, which costs a durable write a third of its speed. Reading the last
 * byte does not; that byte stays in memory because it is read so often.
 */
export class FileSize {
  readonly #fd: number
  readonly #byte = new Uint8Array(1)
  #bytes = 0

  /** The descriptor goes through the page cache. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /**
   * True if the file has at least this many bytes.
   * @throws {Error} the system error
   */
  reaches(bytes: number): boolean {
    if (bytes <= this.#bytes && this.#isThere()) return true
    this.#bytes = fstatSync(this.#fd).size
    return bytes <= this.#bytes
  }

  #isThere(): boolean {
    try {
      return readSync(this.#fd, this.#byte, 0, 1, this.#bytes - 1) === 1
    } catch {
      // Its last sector may be bad while the others are good.
      return false
    }
  }
}
