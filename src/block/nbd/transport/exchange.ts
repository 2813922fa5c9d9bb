import { shown } from '../../claim/protocol.ts'
import { COMMAND, errorName } from '../protocol.ts'
import { Coverage } from './coverage.ts'
import { broken, NbdFault } from './fault.ts'
import type { Request } from './request.ts'

/** An extent: a run of bytes of one kind, as a server describes it. */
export interface Status {
  readonly length: number
  /** Of `EXTENT_FLAG`. */
  readonly flags: number
}

/** A request that was sent, and its reply so far. */
export class Exchange {
  readonly request: Request
  readonly #sentAt: number
  #longestMs: number
  readonly #resolve: (status: Status | undefined) => void
  readonly #reject: (fault: NbdFault) => void
  #coverage: Coverage | undefined
  #status: Status | undefined
  #fault: NbdFault | undefined
  // The part that was filled last, because data mostly arrives in order.
  #part = 0
  #partStart = 0

  constructor(
    request: Request,
    sentAt: number,
    longestMs: number,
    resolve: (status: Status | undefined) => void,
    reject: (fault: NbdFault) => void,
  ) {
    this.request = request
    this.#sentAt = sentAt
    this.#longestMs = longestMs
    this.#resolve = resolve
    this.#reject = reject
  }

  /** The latest time for the reply, whatever progress the connection makes; on the client's clock. */
  get deadline(): number {
    return this.#sentAt + this.#longestMs
  }

  /** Allows more time, because more may precede its reply than was known when it was sent. */
  mayTake(ms: number): void {
    this.#longestMs = Math.max(this.#longestMs, ms)
  }

  /** Records that bytes of the request arrive now, counted from its offset. */
  expect(from: number, length: number): void {
    this.#coverage ??= new Coverage(this.request.length)
    this.#coverage.add(from, length)
  }

  /** The memory for a byte of the request and some that follow it. */
  spaceAt(at: number): Uint8Array {
    const { parts } = this.request
    if (at < this.#partStart) {
      this.#part = 0
      this.#partStart = 0
    }
    for (let part = parts[this.#part]; part !== undefined; part = parts[this.#part]) {
      if (at < this.#partStart + part.length) return part.subarray(at - this.#partStart)
      this.#partStart += part.length
      this.#part++
    }
    throw new RangeError(`byte ${at} is not in the request`)
  }

  /** Puts bytes where they belong. */
  put(at: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const space = this.spaceAt(at + done)
      const piece = bytes.subarray(done, done + space.length)
      space.set(piece)
      done += piece.length
    }
  }

  /** Fills bytes with zeroes. */
  clear(at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const space = this.spaceAt(at + done).subarray(0, length - done)
      space.fill(0)
      done += space.length
    }
  }

  /** Keeps the block status from the request's offset on. */
  describe(status: Status): void {
    if (this.#status !== undefined) throw broken('one description of bytes', 'two')
    this.#status = status
  }

  /** Keeps the first error in the server's replies. */
  refuse(errno: number, words = ''): void {
    const name = errorName(errno)
    const text = shown(words)
    const message = `the server answered ${name}${text === '' ? '' : ` ('${text}')`}`
    this.#fault ??= new NbdFault('refused', message, name)
  }

  /**
   * The reply is complete.
   * @throws {NbdFault} something is missing, and there was no error
   */
  finish(): void {
    const { command } = this.request
    if (this.#fault !== undefined) {
      this.#reject(this.#fault)
      return
    }
    if (command === COMMAND.read && this.#coverage?.complete !== true) {
      throw broken('all of the data that was asked for', 'the end of the reply')
    }
    if (command === COMMAND.blockStatus && this.#status === undefined) {
      throw broken('a description of bytes', 'the end of the reply')
    }
    this.#resolve(this.#status)
  }

  /** The connection failed. */
  fail(fault: NbdFault): void {
    this.#reject(fault)
  }
}
