import type { Position } from '../position.ts'
import { formatPosition } from '../ring/position-text.ts'
import type { Consumer } from '../ring/types.ts'
import { type Operation, readNext } from './batch.ts'
import {
  deadLettered,
  type GivenUp,
  type JournalError,
  missing,
  stopped,
  type Where,
} from './errors.ts'
import { type Happening, publish } from './events.ts'
import type { Receipts } from './receipts.ts'
import { retryDelay, type Settings } from './settings.ts'
import type {
  DeadLetter,
  DeadLetterSink,
  Perform,
  PerformContext,
  PerformFailure,
} from './types.ts'

/** The attempt in progress, or the last one that failed. */
export interface Progress {
  readonly attempt: number
  readonly lastError: unknown
  /** When the next attempt begins, in the clock's time, in a pause after a failure. */
  readonly nextRetryAt: number | undefined
}

const NO_PROGRESS: Progress = { attempt: 0, lastError: undefined, nextRetryAt: undefined }

/** What a {@link Performer} works with. */
export interface PerformerParts<Op> {
  readonly consumer: Consumer
  readonly perform: Perform<Op>
  readonly settings: Settings<Op>
  readonly receipts: Receipts
  /** Called when space was freed. */
  readonly onFreed: () => void
  /** Ends everything that waits; its reason is thrown. */
  readonly stop: AbortSignal
}

/** Performs the operations in the ring and acknowledges them; retries failures. */
export class Performer<Op> {
  readonly #consumer: Consumer
  readonly #perform: Perform<Op>
  readonly #settings: Settings<Op>
  readonly #receipts: Receipts
  readonly #onFreed: () => void
  readonly #stop: AbortSignal
  #progress = NO_PROGRESS
  #performingUpTo: Position

  constructor(parts: PerformerParts<Op>) {
    this.#consumer = parts.consumer
    this.#perform = parts.perform
    this.#settings = parts.settings
    this.#receipts = parts.receipts
    this.#onFreed = parts.onFreed
    this.#stop = parts.stop
    this.#performingUpTo = parts.consumer.position
  }

  get progress(): Progress {
    return this.#progress
  }

  /** The position after the last operation of the `perform` call in progress, or an earlier position. */
  get performingUpTo(): Position {
    return this.#performingUpTo
  }

  /**
   * Performs everything up to a position.
   * @throws {JournalError} the policy ends the journal here
   * @throws the reason of `stop`, and what the consumer throws
   */
  async drain(upTo: Position, mayHaveRun: boolean): Promise<void> {
    while (this.#consumer.position < upTo) {
      this.#stop.throwIfAborted()
      const next = await readNext(this.#consumer, this.#settings.codec, this.#settings, upTo)
      if (next === undefined) {
        // With reading, the consumer also learned that the producer attached right here.
        if (this.#consumer.position >= upTo) break
        throw this.#missing(upTo)
      }
      if ('batch' in next) await this.#performBatch(next.batch, mayHaveRun)
      else await this.#giveUp({ position: next.position, attempts: 0, error: next.undecodable })
    }
    this.#receipts.performed(upTo)
  }

  /** Performs one batch until it succeeds, or one operation of it is given up. */
  async #performBatch(batch: readonly Operation<Op>[], mayHaveRun: boolean): Promise<void> {
    const { maxAttempts, isolateAfter } = this.#settings
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#attempt(batch, attempt, mayHaveRun || attempt > 1)
      if (failure === undefined) return
      const [only] = batch
      if (only !== undefined && batch.length === 1 && attempt >= maxAttempts) {
        const letter = { ...only, attempts: attempt, error: failure.error }
        return this.#giveUp(letter)
      }
      await this.#pause('perform', batch, attempt, failure.error)
      if (batch.length > 1 && attempt >= isolateAfter) return this.#performOneByOne(batch)
    }
  }

  async #performOneByOne(batch: readonly Operation<Op>[]): Promise<void> {
    for (const operation of batch) await this.#performBatch([operation], true)
  }

  /** Calls `perform` once, and gives the operations back if it succeeds. */
  async #attempt(
    batch: readonly Operation<Op>[],
    attempt: number,
    mayHaveRun: boolean,
  ): Promise<PerformFailure | undefined> {
    this.#stop.throwIfAborted()
    const { clock } = this.#settings
    const position = endOf(batch, this.#consumer)
    this.#progress = { ...this.#progress, attempt }
    this.#performingUpTo = position
    const startedAt = clock.now()
    const failure = await this.#call(batch, { attempt, mayHaveRun, signal: this.#stop })
    const durationMs = clock.now() - startedAt
    if (failure !== undefined) {
      this.#stop.throwIfAborted()
      return failure
    }
    await this.#advance(position)
    this.#receipts.performed(position)
    const operations = batch.length
    this.#publish({ event: 'perform', operations, position, attempt, mayHaveRun, durationMs })
    return undefined
  }

  async #call(
    batch: readonly Operation<Op>[],
    context: PerformContext,
  ): Promise<PerformFailure | undefined> {
    try {
      const operations = batch.map(({ operation }) => operation)
      const answer = await this.#perform(operations, context)
      return isFailure(answer) ? answer : undefined
    } catch (error) {
      return { error }
    }
  }

  /** Ends the journal, or hands the operation at the cursor to the dead letter and skips it. */
  async #giveUp(letter: Omit<DeadLetter<Op>, 'bytes'>): Promise<void> {
    const { onFailure } = this.#settings
    const { position, attempts, error } = letter
    if (typeof onFailure === 'string') throw stopped(this.#where, this.#shown(letter))
    // Read again: the codec and `perform` may have changed the bytes that they got.
    const popped = await this.#consumer.pop()
    if (popped.status !== 'item') throw this.#missing(position)
    await this.#handOver(onFailure.deadLetter, { ...letter, bytes: popped.item })
    await this.#advance(position)
    this.#receipts.steppedOver(position, deadLettered(this.#where, this.#shown(letter)))
    this.#publish({ event: 'deadLetter', position, attempts, error })
  }

  #missing(pushedUpTo: Position): JournalError {
    return missing(this.#where, this.#show(this.#consumer.position), this.#show(pushedUpTo))
  }

  #shown({ position, attempts, error }: Omit<DeadLetter<Op>, 'bytes'>): GivenUp {
    return { position: this.#show(position), attempts, error }
  }

  #show(position: Position): string {
    return formatPosition(position, this.#consumer.format)
  }

  async #handOver(sink: DeadLetterSink<Op>, letter: DeadLetter<Op>): Promise<void> {
    const options = { signal: this.#stop }
    for (let attempt = 1; ; attempt++) {
      this.#stop.throwIfAborted()
      try {
        if (typeof sink === 'function') await sink(letter, options)
        else await sink.push(letter.bytes, options)
        return
      } catch (error) {
        this.#stop.throwIfAborted()
        await this.#pause('deadLetter', [letter], attempt, error)
      }
    }
  }

  async #advance(position: Position): Promise<void> {
    await this.#consumer.advance(position)
    this.#progress = NO_PROGRESS
    this.#onFreed()
  }

  async #pause(
    what: 'perform' | 'deadLetter',
    failed: readonly { readonly position: Position }[],
    attempt: number,
    error: unknown,
  ): Promise<void> {
    const { clock } = this.#settings
    const delayMs = retryDelay(attempt, this.#settings)
    const position = endOf(failed, this.#consumer)
    const operations = failed.length
    this.#publish({ event: 'retry', what, operations, position, attempt, error, delayMs })
    this.#progress = { attempt, lastError: error, nextRetryAt: clock.now() + delayMs }
    await clock.sleep(delayMs, this.#stop)
    this.#progress = { attempt, lastError: error, nextRetryAt: undefined }
  }

  get #where(): Where {
    return { device: this.#consumer.device.name, journal: this.#settings.name }
  }

  #publish(happening: Happening): void {
    publish(this.#where, happening)
  }
}

function endOf(batch: readonly { readonly position: Position }[], consumer: Consumer): Position {
  return batch.at(-1)?.position ?? consumer.position
}

function isFailure(answer: unknown): answer is PerformFailure {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return false
  return answer.error !== undefined && answer.error !== null
}
