import type { Clock } from '../../../clock.ts'
import { untilAborted } from '../../../util/abort.ts'
import { systemCode } from '../../native/errors.ts'
import { reasonOf } from '../errors.ts'
import type { NbdAddress } from '../uri.ts'
import { NbdFault } from './fault.ts'
import type { NbdDial, NbdDialOptions, NbdStream, NbdStreamReceiver } from './stream.ts'

/** Milliseconds that a server has to close a connection after this side ended it. */
const FAREWELL_MS = 1000

/** Memory for bytes that arrive after a fault. */
const NOWHERE_BYTES = 64 << 10

/** Receives the bytes of the server. */
export interface Receiver {
  /** Memory for the next bytes: at least one, and requested again after each `filled`. */
  space(): Uint8Array
  /** This many bytes of the last `space` were filled. */
  filled(bytes: number): void
  /** The system has taken this many of the sent bytes. */
  taken?(bytes: number): void
  /** The connection is over. Called once. */
  ended(fault: NbdFault): void
}

/** A stream to a server, whose bytes go to the current receiver, and which fails once. */
export class Wire implements NbdStreamReceiver {
  readonly #clock: Clock
  readonly #closed = new AbortController()
  #stream: NbdStream | undefined
  #receiver: Receiver
  #fault: NbdFault | undefined
  // Streams may ask for memory long before they fill it.
  #offeredBy: Receiver | undefined
  #offered: Uint8Array = new Uint8Array(0)

  private constructor(receiver: Receiver, clock: Clock) {
    this.#receiver = receiver
    this.#clock = clock
  }

  /**
   * Connects.
   * @throws {NbdFault} why there is no connection
   */
  static async open(
    dial: NbdDial,
    address: NbdAddress,
    options: NbdDialOptions,
    receiver: Receiver,
    clock: Clock,
  ): Promise<Wire> {
    const wire = new Wire(receiver, clock)
    const dialing = (async () => {
      const stream = await dial(address, wire, options)
      // It may arrive after it was given up.
      if (options.signal.aborted) stream.destroy()
      return stream
    })()
    try {
      wire.#stream = await untilAborted(dialing, options.signal)
    } catch (error) {
      throw error instanceof NbdFault ? error : lost(error)
    }
    return wire
  }

  /** Passes further bytes to another receiver. */
  handOver(receiver: Receiver): void {
    this.#receiver = receiver
    if (this.#fault !== undefined) receiver.ended(this.#fault)
  }

  /**
   * Encrypts from here on. Only for addresses with TLS, and while the server is silent.
   * @throws {NbdFault} TLS refuses
   */
  async startTls(): Promise<void> {
    try {
      await this.#stream?.startTls()
    } catch (error) {
      this.destroy(lost(error))
    }
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Sends the pieces. They must not change until the server has replied. */
  send(...pieces: readonly Uint8Array[]): void {
    if (this.#fault === undefined) this.#stream?.send(pieces)
  }

  /** Sets whether the open connection keeps the process alive. */
  keepAlive(isNeeded: boolean): void {
    this.#stream?.keepAlive(isNeeded)
  }

  /** Sends pending data, and ends the connection; waits briefly for the server to do so too. */
  async end(): Promise<void> {
    if (this.#fault !== undefined) return
    this.#stream?.keepAlive(true)
    this.#stream?.end()
    await this.#clock.sleep(FAREWELL_MS, this.#closed.signal).catch(() => undefined)
    this.destroy(new NbdFault('lost', 'this client has left'))
  }

  /** Ends the connection now. */
  destroy(fault: NbdFault): void {
    this.#fail(fault)
    this.#stream?.destroy()
  }

  space(): Uint8Array {
    // After a fault no caller's memory may be written to; the stream is about to be destroyed.
    if (this.#fault !== undefined) return new Uint8Array(NOWHERE_BYTES)
    this.#offeredBy = this.#receiver
    this.#offered = this.#receiver.space()
    return this.#offered
  }

  filled(bytes: number): void {
    if (this.#fault !== undefined) return
    if (this.#offeredBy === this.#receiver) this.#receiver.filled(bytes)
    else this.#copy(this.#offered.subarray(0, bytes))
  }

  taken(bytes: number): void {
    if (this.#fault === undefined) this.#receiver.taken?.(bytes)
  }

  ended(error?: Error): void {
    this.#fail(
      error === undefined
        ? new NbdFault('lost', 'the server closed the connection')
        : error instanceof NbdFault
          ? error
          : lost(error),
    )
  }

  #fail(fault: NbdFault): void {
    if (this.#fault !== undefined) return
    this.#fault = fault
    this.#closed.abort()
    this.#receiver.ended(fault)
  }

  #copy(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#fault === undefined; ) {
      const space = this.#receiver.space()
      const bytes = Math.min(space.length, chunk.length - at)
      space.set(chunk.subarray(at, at + bytes))
      at += bytes
      this.#receiver.filled(bytes)
    }
  }
}

function lost(error: unknown): NbdFault {
  return new NbdFault('lost', reasonOf(error), systemCode(error), error)
}
