import type { Position } from '../position.ts'
import type { Alarm } from './alarm.ts'
import type { Receipts } from './receipts.ts'
import type { Settings } from './settings.ts'

/** Decides when pushed operations are performed. */
export class Schedule {
  readonly #receipts: Receipts
  readonly #isFull: () => boolean
  readonly #alarm: Alarm
  readonly #settings: Pick<Settings<never>, 'clock' | 'performIntervalMs'>
  #performNowUpTo: Position

  constructor(
    receipts: Receipts,
    isFull: () => boolean,
    alarm: Alarm,
    settings: Pick<Settings<never>, 'clock' | 'performIntervalMs'>,
  ) {
    this.#receipts = receipts
    this.#isFull = isFull
    this.#alarm = alarm
    this.#settings = settings
    this.#performNowUpTo = receipts.performedUpTo
  }

  /** Asks for performing everything up to a position now. */
  performNow(position: Position): void {
    if (position > this.#performNowUpTo) this.#performNowUpTo = position
    this.#alarm.wake()
  }

  /** Wakes the schedule, to check again. */
  wake(): void {
    this.#alarm.wake()
  }

  /**
   * Waits until there are operations to perform, and no reason to wait for more.
   * @throws the reason of `stop`, once it is aborted and `wake` is called
   */
  async untilDue(stop: AbortSignal): Promise<void> {
    for (;;) {
      stop.throwIfAborted()
      const { oldest } = this.#receipts
      const dueAt = oldest === undefined ? undefined : oldest + this.#settings.performIntervalMs
      if (dueAt !== undefined && (this.#isUrgent() || dueAt <= this.#settings.clock.now())) return
      await this.#alarm.wait(dueAt)
    }
  }

  #isUrgent(): boolean {
    return this.#isFull() || this.#performNowUpTo > this.#receipts.performedUpTo
  }
}
