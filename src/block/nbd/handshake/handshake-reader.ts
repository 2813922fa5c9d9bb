import { broken, type NbdFault } from '../transport/fault.ts'
import type { Receiver } from '../transport/wire.ts'

/** More unread bytes than this are no negotiation. */
const MAX_BYTES = 1 << 20

/** The least space that is offered. */
const MIN_SPACE = 4 << 10

/** A caller that waits for bytes. */
interface Waiting {
  readonly bytes: number
  resolve(): void
  reject(fault: NbdFault): void
}

/** Bytes that are read piece by piece during option negotiation. */
export class HandshakeReader implements Receiver {
  #buffer = Buffer.alloc(64 << 10)
  #start = 0
  #end = 0
  #fault: NbdFault | undefined
  #waiting: Waiting | undefined

  /** Bytes that arrived and were not read. */
  get unread(): number {
    return this.#end - this.#start
  }

  /**
   * The next bytes, a copy. One call at a time.
   * @throws {NbdFault} they do not arrive
   */
  async read(bytes: number): Promise<Buffer> {
    if (this.unread < bytes) {
      if (this.#fault !== undefined) throw this.#fault
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { bytes, resolve, reject }
      })
    }
    const from = this.#start
    this.#start += bytes
    return Buffer.from(this.#buffer.subarray(from, this.#start))
  }

  space(): Uint8Array {
    if (this.#buffer.length - this.#end < MIN_SPACE) this.#makeRoom()
    return this.#buffer.subarray(this.#end)
  }

  filled(bytes: number): void {
    this.#end += bytes
    if (this.unread > MAX_BYTES) {
      this.ended(broken('answers', `more than ${MAX_BYTES} unrequested bytes`))
    } else if (this.#waiting !== undefined && this.unread >= this.#waiting.bytes) {
      this.#take()?.resolve()
    }
  }

  ended(fault: NbdFault): void {
    this.#fault ??= fault
    this.#take()?.reject(this.#fault)
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  #makeRoom(): void {
    const { unread } = this
    const buffer = unread * 2 > this.#buffer.length ? Buffer.alloc(unread * 2) : this.#buffer
    this.#buffer.copy(buffer, 0, this.#start, this.#end)
    this.#buffer = buffer
    this.#start = 0
    this.#end = unread
  }
}
