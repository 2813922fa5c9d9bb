import { readSync } from 'node:fs'

/** Milliseconds after which a read has waited, for the disk or for the processor. */
const SLOW_MS = 2
/** So many slow ones in a row have waited for the disk: what is read is not in memory. */
const SLOW_READS = 2
/** Then none is made for this many times as long as the last one took. */
const REST_TIMES = 50

/**
 * Reads through the page cache on the event loop's thread, which for a small piece in memory takes a tenth of the time of a read in
 * another thread. What is not in memory holds up the program, a small part of the time at most.
 */
export class PromptReader {
  readonly #fd: number
  readonly #now: () => number
  #slow = 0
  #restUntil = Number.NEGATIVE_INFINITY

  /** @param now milliseconds since some fixed moment */
  constructor(fd: number, now: () => number = () => performance.now()) {
    this.#fd = fd
    this.#now = now
  }

  /** Whether the buffer was filled. */
  read(buffer: Uint8Array, position: number): boolean {
    const began = this.#now()
    if (began < this.#restUntil) return false
    try {
      return readSync(this.#fd, buffer, 0, buffer.byteLength, position) === buffer.byteLength
    } catch {
      return false
    } finally {
      this.#took(began, this.#now())
    }
  }

  #took(began: number, ended: number): void {
    this.#slow = ended - began > SLOW_MS ? this.#slow + 1 : 0
    if (this.#slow >= SLOW_READS) this.#restUntil = ended + (ended - began) * REST_TIMES
  }
}
