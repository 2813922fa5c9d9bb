import type { BlockDevice, BlockWatch } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { onAbort } from '../../util/abort.ts'

const FIRST_MS = 1
/** The longest pause between two looks, while it has not been quiet for long. */
const BUSY_POLL_MS = 50
/** The same after a long quiet time, or where the device tells of changes: that is a hint, which may be lost. */
const QUIET_POLL_MS = 250
/** How much of the quiet time so far a pause may add to it. */
const QUIET_SHARE = 1 / 20
/** Why a pause ends early. Without a reason, an error with a stack would be made for each. */
const AWAKE = Symbol('awake')

/** How to wait. */
export interface WaitOptions {
  /**
   * The longest pause between two looks at the device, in milliseconds. Default: 250 where the device tells of
   * changes; elsewhere 50, and up to 250 when it has been quiet for seconds, so that idling costs little.
   */
  readonly maxPollMs?: number
}

/** Waits for the other side: pauses that grow from 1 ms, cut short when the device tells of a change. */
export class Waiter {
  readonly #clock: Clock
  readonly #maxPollMs: number | undefined
  readonly #watch: BlockWatch | undefined
  #pauseMs = FIRST_MS
  #quietSince: number
  #changed = false
  #wake: AbortController | undefined

  constructor(device: BlockDevice, clock: Clock, options: WaitOptions = {}) {
    const { watch } = device.capabilities
    const { maxPollMs } = options
    if (maxPollMs !== undefined && !(maxPollMs >= 1)) {
      throw new RangeError(`maxPollMs is at least 1, not ${maxPollMs}`)
    }
    this.#clock = clock
    this.#maxPollMs = maxPollMs
    this.#quietSince = clock.now()
    this.#watch = watch ? device.watch(() => this.wake()) : undefined
  }

  /** Says that what was waited for is here: the next pause is short again. */
  reset(): void {
    this.#pauseMs = FIRST_MS
    this.#quietSince = this.#clock.now()
  }

  /** Ends the pause under way, or the next one. */
  wake(): void {
    this.#changed = true
    this.#wake?.abort(AWAKE)
  }

  /**
   * Pauses until it is worth looking again.
   * @throws the signal's reason
   */
  async pause(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (!this.#changed) await this.#sleep(signal)
    this.#changed = false
  }

  /** Ends the subscription to changes. */
  close(): void {
    this.#watch?.close()
  }

  #longest(): number {
    if (this.#maxPollMs !== undefined) return this.#maxPollMs
    if (this.#watch?.works === true) return QUIET_POLL_MS
    const quietMs = this.#clock.now() - this.#quietSince
    return Math.min(QUIET_POLL_MS, Math.max(BUSY_POLL_MS, quietMs * QUIET_SHARE))
  }

  async #sleep(signal: AbortSignal | undefined): Promise<void> {
    const wake = new AbortController()
    const listening = onAbort(signal, () => wake.abort(AWAKE))
    this.#wake = wake
    try {
      await this.#clock.sleep(this.#pauseMs, wake.signal)
      this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longest())
    } catch {
      signal?.throwIfAborted()
    } finally {
      listening()
      this.#wake = undefined
    }
  }
}
