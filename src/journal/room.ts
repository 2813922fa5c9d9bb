import type { Clock } from '../clock.ts'

/**
 * The clock of the journal's writer. A writer sleeps only where it cannot go on: the ring is full (or
 * suspended). So its sleeping says that the journal has to perform now, and when that gave space back there is
 * nothing more to sleep for. This works for any format of the ring.
 */
export class RoomClock implements Clock {
  readonly #clock: Clock
  readonly #onFull: () => void
  readonly #sleeps = new Set<AbortController>()

  constructor(clock: Clock, onFull: () => void) {
    this.#clock = clock
    this.#onFull = onFull
  }

  /** Whether the writer cannot go on now. */
  get full(): boolean {
    return this.#sleeps.size > 0
  }

  /** Says that there may be room. */
  freed(): void {
    for (const sleep of this.#sleeps) sleep.abort()
  }

  now(): number {
    return this.#clock.now()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const freed = new AbortController()
    this.#sleeps.add(freed)
    this.#onFull()
    try {
      const either = signal === undefined ? freed.signal : AbortSignal.any([freed.signal, signal])
      await this.#clock.sleep(ms, either)
    } catch (error) {
      signal?.throwIfAborted()
      if (!freed.signal.aborted) throw error
    } finally {
      this.#sleeps.delete(freed)
    }
  }
}
