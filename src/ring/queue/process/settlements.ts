import type { Position } from '../../../position.ts'
import { channel, type EventDetails } from '../../../util/diagnostics.ts'
import type { Consumer } from '../../types.ts'
import type { RingEntry } from '../entry.ts'
import { type HandleNames, namesOf } from '../events.ts'
import { type AttemptStore, type ProcessSummary, WORK_CHANNEL, type WorkEvent } from './types.ts'

/** Where {@link WorkEvent}s are published. */
export const workEvents: ReturnType<typeof channel> = channel(WORK_CHANNEL)

/** An event without names and position. */
export type UnnamedWorkEvent = EventDetails<WorkEvent, keyof HandleNames | 'position'>

/** What became of an item. */
export type Outcome = Exclude<UnnamedWorkEvent, { readonly event: 'failed' | 'retried' }>

/** What {@link Settlements} need of a reader. */
export interface SettlementSource<Out> {
  readonly consumer: Consumer
  ackAll(entries: readonly RingEntry<Out>[]): Promise<void>
}

/** How and for whom items are settled. */
export interface SettlementOptions {
  readonly attemptStore: AttemptStore | undefined
  /** The key of an item in that store. */
  readonly keyOf: (position: Position) => string
  /** Called when an acknowledgement fails. */
  readonly onFailed: (error: unknown) => void
}

/** Acknowledges items that have been dealt with, beside the handlers, and counts what became of them. */
export class Settlements<Out> {
  readonly #source: SettlementSource<Out>
  readonly #options: SettlementOptions
  readonly #counts = { handled: 0, deadLettered: 0, requeued: 0, skipped: 0, overwritten: 0 }
  /** Items that are not acknowledged yet. */
  #unsettled = 0
  /** Those of them that wait to be acknowledged together. */
  #waiting: RingEntry<Out>[] = []
  /** What to publish of these once they are. */
  #unpublished: WorkEvent[] = []
  /** Resolves when the last of these were acknowledged, or could not be. */
  #written: Promise<void> = Promise.resolve()
  #onEnded: () => void = () => undefined

  constructor(source: SettlementSource<Out>, options: SettlementOptions) {
    this.#source = source
    this.#options = options
  }

  /** What became of how many items. */
  get counts(): Omit<ProcessSummary, 'failedAttempts' | 'abandoned'> {
    return { ...this.#counts }
  }

  /** Resolves when nothing waits to be acknowledged. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnded = resolve
      if (this.#unsettled === 0) resolve()
    })
  }

  /** Resolves when all that was handled is acknowledged, or could not be. */
  get written(): Promise<void> {
    return this.#written
  }

  /**
   * As `settle`, for a handled item that is not in the attempt store: calls during a write share the next one.
   * @param durationMs how long its handler took, if anybody listens: nothing is made for it otherwise
   */
  handled(entry: RingEntry<Out>, attempt: number, durationMs: number | undefined): void {
    this.#unsettled++
    this.#waiting.push(entry)
    if (durationMs !== undefined) {
      const { device, queue, client } = this.#source.consumer
      const { position } = entry
      // One literal, as at `publishWriterEvent`.
      this.#unpublished.push({
        device: device.name,
        queue,
        client,
        position,
        event: 'handled',
        attempt,
        durationMs,
      })
    }
    if (this.#waiting.length === 1) {
      this.#written = this.#written.then(() => this.#writeWaiting())
    }
  }

  /** An item has been dealt with. */
  settle(entry: Pick<RingEntry<Out>, 'position' | 'ack'>, outcome: Outcome): void {
    const { attemptStore, keyOf } = this.#options
    const { position } = entry
    this.#unsettled++
    const acknowledged = entry.ack()
    const forgotten =
      attemptStore === undefined
        ? acknowledged
        : acknowledged.then(() => attemptStore.delete(keyOf(position)))
    forgotten.then(
      () => {
        this.#counts[outcome.event]++
        this.publish(position, outcome)
        this.#settled(1)
      },
      (error: unknown) => this.#failed(error, 1),
    )
  }

  /** Publishes what happened to an item. */
  publish(position: Position, event: UnnamedWorkEvent): void {
    if (!workEvents.hasSubscribers) return
    workEvents.publish({ ...namesOf(this.#source.consumer), position, ...event })
  }

  /** Acknowledges in one write all items that were handled during the write before. */
  async #writeWaiting(): Promise<void> {
    const [entries, unpublished] = [this.#waiting, this.#unpublished]
    this.#waiting = []
    this.#unpublished = []
    try {
      await this.#source.ackAll(entries)
    } catch (error) {
      return this.#failed(error, entries.length)
    }
    this.#counts.handled += entries.length
    for (const event of unpublished) workEvents.publish(event)
    this.#settled(entries.length)
  }

  #failed(error: unknown, count: number): void {
    this.#options.onFailed(error)
    this.#settled(count)
  }

  #settled(count: number): void {
    this.#unsettled -= count
    if (this.#unsettled === 0) this.#onEnded()
  }
}
