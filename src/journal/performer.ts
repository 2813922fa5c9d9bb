import type { Position } from '../position.ts'
import { inspectRing } from '../ring/access/inspect.ts'
import { isPermanent } from '../ring/queue/process/dead-letter-ring.ts'
import type { DeadLetter } from '../ring/queue/process/types.ts'
import { formatPosition } from '../ring/shared/position-text.ts'
import type { Consumer, PoppedItem } from '../ring/types.ts'
import { backoffAfter } from '../tasks/backoff.ts'
import { type ScheduledWork, Scheduler, type Task, type Verdict } from '../tasks/scheduler.ts'
import { onAbort } from '../util/abort.ts'
import { type Next, type Operation, readNext } from './batch.ts'
import { deadLettered, type JournalError, type JournalNames, missing, stopped } from './errors.ts'
import { publishJournalEvent, type UnnamedJournalEvent } from './events.ts'
import type { Receipts } from './receipts.ts'
import type { Settings } from './settings.ts'
import type { Perform, PerformContext, PerformFailure } from './types.ts'

/** The attempt in progress, or the last one that failed. */
export interface Progress {
  readonly attempt: number
  readonly lastError: unknown
  /** Start of the next attempt, in the clock's time, during a pause after a failure. */
  readonly nextRetryAt: number | undefined
}

const NO_PROGRESS: Progress = { attempt: 0, lastError: undefined, nextRetryAt: undefined }

/** The parts of a {@link Performer}. */
export interface PerformerParts<Op> {
  readonly consumer: Consumer
  readonly perform: Perform<Op>
  readonly settings: Settings<Op>
  readonly receipts: Receipts
  /** The end of the operations found at start. */
  readonly foundUpTo: Position
  /** Waits until operations should be performed; returns up to which position. */
  readonly untilDue: (stop: AbortSignal) => Promise<Position>
  /** Called when space was freed. */
  readonly onFreed: () => void
  /** Ends all waits. */
  readonly stop: AbortSignal
}

/** Operations that are performed together, or one that is given up. */
interface OperationGroup<Op> extends Task {
  readonly operations: readonly Operation<Op>[]
  /** The position after the last of them. */
  readonly position: Position
  readonly mayHaveRun: boolean
  attempts: number
  handOvers: number
  /** The reason why its operation is given up. */
  givenUp: { readonly error: unknown } | undefined
}

/** All operations have one key: they are performed in their order. */
const IN_ORDER = 0

/**
 * Performs the operations in the ring, in their order, and acknowledges them; tries failures again.
 *
 * - An operation is acknowledged only after `perform` resolved for it, or after it is durable among the dead letters.
 * - No operation is performed before all earlier ones are acknowledged: all tasks have one key.
 * - A group that keeps failing is split, so that only the operation that fails is given up.
 */
export class Performer<Op> {
  readonly #parts: PerformerParts<Op>
  readonly #consumer: Consumer
  readonly #settings: Settings<Op>
  readonly #receipts: Receipts
  readonly #stop: AbortSignal
  readonly #scheduler: Scheduler<OperationGroup<Op>>
  #progress = NO_PROGRESS
  #performingUpTo: Position
  /** Everything before this is to be performed now. */
  #dueUpTo: Position

  constructor(parts: PerformerParts<Op>) {
    this.#parts = parts
    this.#consumer = parts.consumer
    this.#settings = parts.settings
    this.#receipts = parts.receipts
    this.#stop = parts.stop
    this.#performingUpTo = parts.consumer.position
    this.#dueUpTo = parts.foundUpTo
    const limits = { concurrency: 1, maxHeld: 1, maxHeldBytes: Number.POSITIVE_INFINITY }
    const work: ScheduledWork<OperationGroup<Op>> = {
      next: async (_most, stop) => [await this.#next(stop)],
      taskOf: (group) => group,
      attempt: (group) => this.#attempt(group),
      conclude: (_, verdict) => verdict as Verdict<OperationGroup<Op>>,
      failed: (_, error) => {
        throw error
      },
    }
    this.#scheduler = new Scheduler(work, parts.settings.clock, limits)
  }

  get progress(): Progress {
    return this.#progress
  }

  /** The position after the last operation of the `perform` call in progress, or an earlier position. */
  get performingUpTo(): Position {
    return this.#performingUpTo
  }

  /**
   * Performs due operations, until it is stopped.
   * @throws {JournalError} an operation was given up, and there is no dead letter
   * @throws what the consumer throws
   */
  async run(): Promise<void> {
    const scheduler = this.#scheduler
    const unlisten = onAbort(this.#stop, () => scheduler.stop(this.#stop.reason))
    await scheduler.run().finally(unlisten)
  }

  /** Reads due operations, waiting until there are some. */
  async #next(stop: AbortSignal): Promise<OperationGroup<Op>> {
    for (;;) {
      const { position } = this.#consumer
      if (position >= this.#dueUpTo) {
        this.#receipts.performed(this.#dueUpTo)
        this.#dueUpTo = await this.#parts.untilDue(stop)
        continue
      }
      const upTo = this.#dueUpTo
      const next = await readNext(this.#consumer, this.#settings.codec, this.#settings, upTo)
      if (next !== undefined) return this.#groupOf(next, upTo <= this.#parts.foundUpTo)
      // With reading, the consumer also learned that the producer attached right here.
      if (this.#consumer.position < upTo) throw this.#missing(upTo)
    }
  }

  #groupOf(next: NonNullable<Next<Op>>, mayHaveRun: boolean): OperationGroup<Op> {
    const of = (
      group: Pick<OperationGroup<Op>, 'operations' | 'position' | 'givenUp'>,
    ): OperationGroup<Op> => ({
      ...group,
      ...{ key: IN_ORDER, storedBytes: 0, mayHaveRun, attempts: 0, handOvers: 0 },
    })
    if ('operations' in next) {
      const { operations } = next
      return of({ operations, position: endOf(operations, this.#consumer), givenUp: undefined })
    }
    const { position, undecodable: error } = next
    return of({ operations: [], position, givenUp: { error } })
  }

  /**
   * Calls `perform` once, and acknowledges the operations if it succeeds; or stores one that was given up as a dead
   * letter.
   */
  async #attempt(group: OperationGroup<Op>): Promise<Verdict<OperationGroup<Op>>> {
    if (group.givenUp !== undefined) return this.#giveUp(group, group.givenUp.error)
    const { attempts: most, isolateAfter, clock } = this.#settings
    const { operations, position } = group
    if (operations.length > 1 && group.attempts >= isolateAfter) return oneByOne(group)
    group.attempts++
    const attempt = group.attempts
    const mayHaveRun = group.mayHaveRun || attempt > 1
    this.#progress = { ...this.#progress, attempt, nextRetryAt: undefined }
    this.#performingUpTo = position
    const startedAt = clock.now()
    const failure = await this.#call(operations, { attempt, mayHaveRun, signal: this.#stop })
    const durationMs = clock.now() - startedAt
    if (failure !== undefined) {
      this.#stop.throwIfAborted()
      const { error } = failure
      if (operations.length === 1 && attempt >= most) return this.#giveUp(group, error)
      return this.#again('perform', group, attempt, error)
    }
    await this.#advance(position)
    this.#receipts.performed(position)
    const count = operations.length
    this.#publish({
      event: 'performed',
      operations: count,
      position,
      attempt,
      mayHaveRun,
      durationMs,
    })
    return undefined
  }

  async #call(
    group: readonly Operation<Op>[],
    context: PerformContext,
  ): Promise<PerformFailure | undefined> {
    try {
      const operations = group.map(({ operation }) => operation)
      const answer = await this.#parts.perform(operations, context)
      return isFailure(answer) ? answer : undefined
    } catch (error) {
      return { error }
    }
  }

  /** Ends the journal, or hands the operation at the cursor to the dead letters and skips it. */
  async #giveUp(group: OperationGroup<Op>, error: unknown): Promise<Verdict<OperationGroup<Op>>> {
    const { deadLetter } = this.#settings
    const { position, attempts } = group
    const shown = { position: this.#show(position), attempts, error }
    if (deadLetter === undefined) throw stopped(this.#where, shown)
    group.givenUp = { error }
    // Read again, because the codec and `perform` may have changed the bytes.
    const [popped] = await this.#consumer.popMany({ maxItems: 1 })
    if (popped === undefined) throw this.#missing(position)
    try {
      await deadLetter(await this.#letter(group, popped, error), { signal: this.#stop })
    } catch (cause) {
      this.#stop.throwIfAborted()
      if (isPermanent(cause)) throw cause
      return this.#again('deadLetter', group, ++group.handOvers, cause)
    }
    await this.#advance(position)
    this.#receipts.deadLettered(position, deadLettered(this.#where, shown))
    this.#publish({ event: 'deadLettered', position, attempts, error })
    return undefined
  }

  async #letter(
    { operations: [operation], position, attempts }: OperationGroup<Op>,
    { item, pushedAt }: PoppedItem,
    error: unknown,
  ): Promise<DeadLetter<Op>> {
    const { device } = this.#consumer
    const { ring } = await inspectRing(device)
    return {
      ...(operation !== undefined && { item: operation.operation }),
      bytes: item,
      ring: ring?.uuid ?? device.name,
      position: this.#show(position),
      pushedAt,
      attempts,
      error,
    }
  }

  #missing(pushedUpTo: Position): JournalError {
    return missing(this.#where, this.#show(this.#consumer.position), this.#show(pushedUpTo))
  }

  #show(position: Position): string {
    return formatPosition(position, this.#consumer.format)
  }

  async #advance(position: Position): Promise<void> {
    await this.#consumer.advance(position)
    this.#progress = NO_PROGRESS
    this.#parts.onFreed()
  }

  /** Tried again after a pause. */
  #again(
    what: 'perform' | 'deadLetter',
    { operations, position }: OperationGroup<Op>,
    attempt: number,
    error: unknown,
  ): Verdict<OperationGroup<Op>> {
    const { clock, backoff } = this.#settings
    const delayMs = backoffAfter(attempt, backoff)
    const count = Math.max(operations.length, 1)
    this.#publish({ event: 'retried', what, operations: count, position, attempt, error, delayMs })
    this.#progress = { attempt, lastError: error, nextRetryAt: clock.now() + delayMs }
    return { againAfterMs: delayMs }
  }

  get #where(): JournalNames {
    return { device: this.#consumer.device.name, journal: this.#settings.queue }
  }

  #publish(event: UnnamedJournalEvent): void {
    publishJournalEvent(this.#where, event)
  }
}

function endOf(
  operations: readonly { readonly position: Position }[],
  consumer: Consumer,
): Position {
  return operations.at(-1)?.position ?? consumer.position
}

/** A group that keeps failing: whichever operation fails, the others do not wait for it. */
function oneByOne<Op>(group: OperationGroup<Op>): Verdict<OperationGroup<Op>> {
  const parts = group.operations.map((operation) => ({
    ...group,
    operations: [operation],
    position: operation.position,
    mayHaveRun: true,
    attempts: 0,
  }))
  return { parts }
}

function isFailure(answer: unknown): answer is PerformFailure {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return false
  return answer.error !== undefined && answer.error !== null
}
