import { onAbort } from '../abort.ts'
import type { BlockDevice, BlockWatch } from '../block/device.ts'
import type { Clock } from '../clock.ts'

const FIRST_MS = 1
/** The longest pause between two looks, if nothing tells of changes. */
const POLL_MS = 50
/** The same if the device does tell: that is a hint, which may be lost. */
const WATCHED_POLL_MS = 250

/** How to wait. */
export interface WaitOptions {
  /** The longest pause between two looks at the device. Default 50 ms; 250 ms where the device tells of changes. */
  readonly maxPollMs?: number
}

/** Waits for the other side: pauses that grow from 1 ms, cut short when the device tells of a change. */
export class Waiter {
  readonly #clock: Clock
  readonly #maxPollMs: number
  readonly #watch: BlockWatch | undefined
  #pauseMs = FIRST_MS
  #changed = false
  #wake: AbortController | undefined

  constructor(device: BlockDevice, clock: Clock, options: WaitOptions = {}) {
    const { watch } = device.capabilities
    this.#clock = clock
    this.#maxPollMs = options.maxPollMs ?? (watch ? WATCHED_POLL_MS : POLL_MS)
    this.#watch = watch ? device.watch(() => this.wake()) : undefined
  }

  /** Says that what was waited for is here: the next pause is short again. */
  reset(): void {
    this.#pauseMs = FIRST_MS
  }

  /** Ends the pause under way, or the next one. */
  wake(): void {
    this.#changed = true
    this.#wake?.abort()
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

  async #sleep(signal: AbortSignal | undefined): Promise<void> {
    const wake = new AbortController()
    const listening = onAbort(signal, () => wake.abort())
    this.#wake = wake
    try {
      await this.#clock.sleep(this.#pauseMs, wake.signal)
      this.#pauseMs = Math.min(this.#pauseMs * 2, this.#maxPollMs)
    } catch {
      signal?.throwIfAborted()
    } finally {
      listening()
      this.#wake = undefined
    }
  }
}
