import type { Clock } from '../../clock.ts'
import type { Position } from '../../position.ts'
import type { LazyAckOptions } from './lazy-ack-options.ts'

const DEFAULT_CALLS = 1000
const DEFAULT_MS = 100

/** Delays acknowledgements, so that one durable write covers many calls. */
export class LazyAcknowledgements {
  readonly #maxCalls: number
  readonly #maxDelayMs: number
  readonly #clock: Clock
  readonly #closing: AbortSignal
  readonly #write: (to: Position) => Promise<void>
  readonly #mayRecover: (error: unknown) => boolean
  #waitingCalls = 0
  #to: Position | undefined
  #timer: Promise<void> | undefined
  /** The last write. Writes are done in order. */
  #written: Promise<void> = Promise.resolve()

  /**
   * @param options checked already: see `checkLazyAckOptions`
   * @param closing ends the wait for the delay
   * @param write acknowledges everything before a position, durably
   * @param mayRecover true if a write that failed with this error may succeed later
   */
  constructor(
    options: LazyAckOptions,
    clock: Clock,
    closing: AbortSignal,
    write: (to: Position) => Promise<void>,
    mayRecover: (error: unknown) => boolean,
  ) {
    const { maxCalls = DEFAULT_CALLS, maxDelayMs = DEFAULT_MS } = options
    this.#maxCalls = maxCalls
    this.#maxDelayMs = maxDelayMs
    this.#clock = clock
    this.#closing = closing
    this.#write = write
    this.#mayRecover = mayRecover
  }

  /**
   * Acknowledges everything before a position. Resolves immediately or, if enough calls are pending, once they are
   * written.
   * @throws as `flush`
   */
  async add(to: Position): Promise<void> {
    if (this.#to === undefined || to > this.#to) this.#to = to
    this.#waitingCalls++
    if (this.#waitingCalls >= this.#maxCalls) return this.flush()
    this.#timer ??= this.#flushInTime()
  }

  /**
   * Resolves when everything added is written.
   * @throws as the write, even one that no caller waited for
   */
  flush(): Promise<void> {
    const to = this.#to
    this.#to = undefined
    this.#waitingCalls = 0
    if (to !== undefined) this.#written = this.#writeOrKeep(to)
    return this.#written
  }

  /** Writes. If the write may succeed later, its acknowledgements stay pending, with those added meanwhile. */
  async #writeOrKeep(to: Position): Promise<void> {
    try {
      await this.#write(to)
    } catch (error) {
      if (this.#mayRecover(error)) {
        if (this.#to === undefined || to > this.#to) this.#to = to
        this.#timer ??= this.#flushInTime()
      }
      throw error
    }
  }

  async #flushInTime(): Promise<void> {
    try {
      await this.#clock.sleep(this.#maxDelayMs, this.#closing)
      // Cleared before the write, because acknowledgements added during it need a timer of their own.
      this.#timer = undefined
      await this.flush()
    } catch {
      // Either the reader was closed, which flushes; or the write was refused, or a read failed, and it is retried; or
      // a write failed, which ended the handle, and the next write or flush throws.
    }
  }
}
