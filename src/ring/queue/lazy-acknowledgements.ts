import type { Clock } from '../../clock.ts'
import type { Position } from '../../position.ts'
import type { LazyAckOptions } from './lazy-ack-options.ts'

const DEFAULT_CALLS = 1000
const DEFAULT_MS = 100

/** Writes acknowledgements now and then: one durable write for many calls. */
export class LazyAcknowledgements {
  readonly #maxCalls: number
  readonly #maxDelayMs: number
  readonly #clock: Clock
  readonly #closing: AbortSignal
  readonly #write: (to: Position) => Promise<void>
  readonly #mayPass: (error: unknown) => boolean
  #waitingCalls = 0
  #to: Position | undefined
  #timer: Promise<void> | undefined
  /** The last write. They are done in order. */
  #written: Promise<void> = Promise.resolve()

  /**
   * @param options checked already: see `checkLazyAckOptions`
   * @param closing ends the waiting for the time
   * @param write acknowledges everything before a position, durably
   * @param mayPass whether a write that failed so may succeed later
   */
  constructor(
    options: LazyAckOptions,
    clock: Clock,
    closing: AbortSignal,
    write: (to: Position) => Promise<void>,
    mayPass: (error: unknown) => boolean,
  ) {
    const { maxCalls = DEFAULT_CALLS, maxDelayMs = DEFAULT_MS } = options
    this.#maxCalls = maxCalls
    this.#maxDelayMs = maxDelayMs
    this.#clock = clock
    this.#closing = closing
    this.#write = write
    this.#mayPass = mayPass
  }

  /**
   * Acknowledges everything before a position. Resolves immediately, or, if enough calls are pending, when they are written.
   * @throws as `flush`
   */
  async add(to: Position): Promise<void> {
    if (this.#to === undefined || to > this.#to) this.#to = to
    this.#waitingCalls++
    if (this.#waitingCalls >= this.#maxCalls) return this.flush()
    this.#timer ??= this.#flushInTime()
  }

  /**
   * Resolves when everything that was added is written.
   * @throws as the write does, also one that no caller waited for
   */
  flush(): Promise<void> {
    const to = this.#to
    this.#to = undefined
    this.#waitingCalls = 0
    if (to !== undefined) this.#written = this.#writeOrKeep(to)
    return this.#written
  }

  /** If a write may succeed later, its acknowledgements wait again, with those that were added meanwhile. */
  async #writeOrKeep(to: Position): Promise<void> {
    try {
      await this.#write(to)
    } catch (error) {
      if (this.#mayPass(error)) {
        if (this.#to === undefined || to > this.#to) this.#to = to
        this.#timer ??= this.#flushInTime()
      }
      throw error
    }
  }

  async #flushInTime(): Promise<void> {
    try {
      await this.#clock.sleep(this.#maxDelayMs, this.#closing)
      // Before the write, because acknowledgements that are added meanwhile need a timer of their own.
      this.#timer = undefined
      await this.flush()
    } catch {
      // Closed, which flushes; refused, or a read failed, so it is tried again; or a write failed, which ended the handle: the next
      // write or flush throws.
    }
  }
}
