import type { Position } from '../../../position.ts'
import { channel, type EventDetails } from '../../../util/diagnostics.ts'
import type { Consumer } from '../../types.ts'
import type { RingEntry } from '../entry.ts'
import { type HandleNames, namesOf } from '../events.ts'
import {
  type AttemptStore,
  type ProcessSummary,
  type SucceededAttempts,
  WORK_CHANNEL,
  type WorkEvent,
} from './types.ts'

/** The channel of {@link WorkEvent}s. */
export const workEvents: ReturnType<typeof channel> = channel(WORK_CHANNEL)

/** The event of an item, without names and position. */
export type UnnamedWorkEvent = EventDetails<
  Exclude<WorkEvent, { readonly event: 'handled' }>,
  keyof HandleNames | 'position'
>

/** The outcome of an item whose handler did not succeed. */
export type Outcome = Exclude<UnnamedWorkEvent, { readonly event: 'failed' | 'retried' }>

/** Successes that were timed together. */
interface Timed {
  count: number
  readonly attempt: number
  durationMs: number
}

/** The published successes. */
class Successes {
  readonly attempts: Timed[] = []
  /** The last of them, while its time is not known yet. */
  #untimed: Timed | undefined
  /** The number of the last ones without a time. */
  #waiting = 0

  /** @param durationMs undefined if `time` will supply it */
  add(attempt: number, durationMs: number | undefined): void {
    const last = this.#untimed
    if (last !== undefined && last.attempt === attempt) last.count++
    else {
      this.#untimed = { count: 1, attempt, durationMs: 0 }
      this.attempts.push(this.#untimed)
      this.#waiting++
    }
    if (durationMs !== undefined) this.time(durationMs)
  }

  /** Supplies the duration of each handler that is not timed yet. */
  time(durationMs: number): void {
    for (; this.#waiting > 0; this.#waiting--) {
      const untimed = this.attempts[this.attempts.length - this.#waiting]
      if (untimed !== undefined) untimed.durationMs = durationMs
    }
    this.#untimed = undefined
  }
}

/** The part of a reader that {@link Settlements} use. */
export interface SettlementSource<Out> {
  readonly consumer: Consumer
  ackAll(entries: readonly RingEntry<Out>[]): Promise<void>
}

/** Options of settlements. */
export interface SettlementOptions {
  readonly attemptStore: AttemptStore | undefined
  /** The key of an item in the attempt store. */
  readonly keyOf: (position: Position) => string
  /** Called when an acknowledgement fails. */
  readonly onFailed: (error: unknown) => void
}

/** Acknowledges items whose outcome is decided, while handlers run, and counts the outcomes. */
export class Settlements<Out> {
  readonly #source: SettlementSource<Out>
  readonly #options: SettlementOptions
  readonly #counts = { handled: 0, deadLettered: 0, requeued: 0, skipped: 0, overwritten: 0 }
  /** Items not acknowledged yet. */
  #unsettled = 0
  /** Those of them that will be acknowledged together. */
  #waiting: RingEntry<Out>[] = []
  /** Items handled since the first subscriber. */
  #successes: Successes | undefined
  /** The number of items handled before that. */
  #unpublished = 0
  /** Resolves when the last of these are acknowledged, or could not be. */
  #written: Promise<void> = Promise.resolve()
  #onEnded: () => void = () => undefined

  constructor(source: SettlementSource<Out>, options: SettlementOptions) {
    this.#source = source
    this.#options = options
  }

  /** The number of items by outcome. */
  get counts(): Omit<ProcessSummary, 'failedAttempts' | 'abandoned'> {
    return { ...this.#counts }
  }

  /** Resolves when no acknowledgement is pending. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnded = resolve
      if (this.#unsettled === 0) resolve()
    })
  }

  /** Resolves when all handled items are acknowledged, or could not be. */
  get written(): Promise<void> {
    return this.#written
  }

  /**
   * Records that a handler succeeded. Without an attempt store, calls during a write share the next one.
   * @param durationMs its duration; undefined if `timed` will supply it, before any other call
   */
  handled(entry: RingEntry<Out>, attempt: number, durationMs: number | undefined): void {
    if (this.#options.attemptStore !== undefined) {
      const attempts = [{ count: 1, attempt, durationMs: durationMs ?? 0 }]
      this.#settle(entry, 'handled', () => this.#publishHandled([entry], attempts))
      return
    }
    this.#unsettled++
    this.#waiting.push(entry)
    if (this.#successes !== undefined) this.#successes.add(attempt, durationMs)
    else if (workEvents.hasSubscribers) this.#startPublishing(attempt, durationMs)
    if (this.#waiting.length === 1) {
      this.#written = this.#written.then(() => this.#writeWaiting())
    }
  }

  #startPublishing(attempt: number, durationMs: number | undefined): void {
    this.#successes = new Successes()
    this.#unpublished = this.#waiting.length - 1
    this.#successes.add(attempt, durationMs)
  }

  /** Supplies the duration of each handler that succeeded since the last call. */
  timed(durationMs: number): void {
    this.#successes?.time(durationMs)
  }

  /** Records another outcome of an item. */
  settle(entry: Pick<RingEntry<Out>, 'position' | 'ack'>, outcome: Outcome): void {
    this.#settle(entry, outcome.event, () => this.publish(entry.position, outcome))
  }

  /** Publishes an event of an item. */
  publish(position: Position, event: UnnamedWorkEvent): void {
    if (!workEvents.hasSubscribers) return
    const message: WorkEvent = { ...namesOf(this.#source.consumer), position, ...event }
    workEvents.publish(message)
  }

  #publishHandled(
    entries: readonly RingEntry<Out>[],
    succeeded: readonly SucceededAttempts[],
  ): void {
    if (!workEvents.hasSubscribers) return
    const { device, queue, client } = this.#source.consumer
    // One literal, as in `publishWriterEvent`.
    const message: WorkEvent = {
      device: device.name,
      queue,
      client,
      event: 'handled',
      entries,
      succeeded,
    }
    workEvents.publish(message)
  }

  /** Acknowledges a single item. */
  #settle(
    { position, ack }: Pick<RingEntry<Out>, 'position' | 'ack'>,
    outcome: keyof Settlements<Out>['counts'],
    publish: () => void,
  ): void {
    const { attemptStore, keyOf } = this.#options
    this.#unsettled++
    const acknowledged = ack()
    const forgotten =
      attemptStore === undefined
        ? acknowledged
        : acknowledged.then(() => attemptStore.delete(keyOf(position)))
    forgotten.then(
      () => {
        this.#counts[outcome]++
        publish()
        this.#settled(1)
      },
      (error: unknown) => this.#failed(error, 1),
    )
  }

  /** Acknowledges, in one write, all items handled during the write before. */
  async #writeWaiting(): Promise<void> {
    const [entries, successes, unpublished] = [this.#waiting, this.#successes, this.#unpublished]
    this.#waiting = []
    this.#successes = undefined
    try {
      await this.#source.ackAll(entries)
    } catch (error) {
      return this.#failed(error, entries.length)
    }
    this.#counts.handled += entries.length
    if (successes !== undefined)
      this.#publishHandled(entries.slice(unpublished), successes.attempts)
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
