import type { Clock } from '../../../clock.ts'
import { type CodecError, isCodecError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { type Backoff, backoffAfter } from '../../../tasks/backoff.ts'
import { type ScheduledWork, Scheduler, type Verdict } from '../../../tasks/scheduler.ts'
import type { Turns } from '../../../tasks/turns.ts'
import { onAbort } from '../../../util/abort.ts'
import { atMost } from '../../../util/at-most.ts'
import { formatPosition, itemNumber, parsePosition } from '../../shared/position-text.ts'
import type { RingEntry } from '../entry.ts'
import type { ReaderInternals } from '../reader-internals.ts'
import { CurrentJob, type JobFacts } from './current-job.ts'
import { isPermanent } from './dead-letter-ring.ts'
import { HandlerTimes } from './handler-times.ts'
import { type Decision, HandlerVerdict } from './handler-verdict.ts'
import type { ProcessSettings } from './process-settings.ts'
import { Requeuer } from './requeuer.ts'
import { type Outcome, type SettlementSource, Settlements, workEvents } from './settlements.ts'
import { Concluded, type Delivered, type ItemTask, newItemTask, type Undecodable } from './task.ts'
import type { AttemptStore, DeadLetter, FailedAttempt, Handler, ProcessSummary } from './types.ts'
import { givenUp, type WorkError } from './work-error.ts'

/** The part of a reader that a {@link Processor} uses. */
export interface ProcessSource<Out> extends SettlementSource<Out> {
  receiveMany(options: {
    readonly maxItems: number
    readonly maxBytes: number
    readonly views: boolean
    readonly signal: AbortSignal
  }): Promise<readonly RingEntry<Out>[]>
  tryReceiveMany(options: {
    readonly maxItems: number
    readonly maxBytes: number
    readonly views: boolean
    readonly signal: AbortSignal
  }): Promise<readonly RingEntry<Out>[]>
  bytesOf(entry: Pick<RingEntry<Out>, 'position'>): Promise<Uint8Array | undefined>
  flush(options: { readonly waitForEarlier: boolean }): Promise<void>
  rewind(): Promise<void>
}

/** The ring being processed, and its extent at the start. */
export interface ProcessedRing {
  /** Its UUID; the device's name in format 1. */
  readonly ring: string
  /** The end of its items when this reader had its role, if it reads on from there without a jump. */
  readonly foundUpTo: Position
  /** The reader's count of jumps when that was found. */
  readonly jumps: number
  /** Finds the current end of its items. */
  readonly findEnd: (signal: AbortSignal) => Promise<Position>
}

/** The most bytes per read. */
const READ_BYTES = 1 << 20

/**
 * Calls the handler for each delivered item, then acknowledges, retries, requeues or dead-letters that item
 * independently of the others.
 *
 * - An item is acknowledged only after its handler succeeded, or after it is durable elsewhere.
 * - Acknowledgements do not delay handlers. If one fails, no further handler starts.
 * - When it stops, items whose handler did not start count as not delivered.
 */
export class Processor<Out> implements ScheduledWork<ItemTask<Out>, Delivered<Out>> {
  readonly #source: ProcessSource<Out>
  readonly #handler: Handler<Out>
  readonly #settings: ProcessSettings<Out>
  readonly #backoff: Backoff
  readonly #ring: ProcessedRing
  readonly #internals: ReaderInternals
  readonly #clock: Clock
  readonly #scheduler: Scheduler<ItemTask<Out>, Delivered<Out>>
  readonly #settlements: Settlements<Out>
  readonly #requeuer: Requeuer<Out>
  /** Aborted when `process` stops waiting for the handlers. */
  readonly #over = new AbortController()
  readonly #overSignal = this.#over.signal
  readonly #facts: JobFacts
  #jumps: number
  readonly #times: HandlerTimes
  #isOver = false
  #handling = 0
  #failedAttempts = 0

  constructor(
    source: ProcessSource<Out>,
    handler: Handler<Out>,
    settings: ProcessSettings<Out> & { readonly turns?: Turns | undefined },
    ring: ProcessedRing,
    internals: ReaderInternals,
  ) {
    this.#source = source
    this.#handler = handler
    this.#settings = settings
    this.#backoff = settings.backoff
    this.#ring = ring
    this.#internals = internals
    this.#clock = settings.clock
    this.#facts = { foundUpTo: ring.foundUpTo, signal: this.#overSignal }
    this.#jumps = ring.jumps
    const { concurrency, turns, maxHeldBytes } = settings
    const limits = { concurrency, turns, maxHeld: Number.POSITIVE_INFINITY, maxHeldBytes }
    this.#scheduler = new Scheduler(this, this.#clock, limits)
    this.#requeuer = new Requeuer(settings.requeueTo, this.#clock, settings.backoff.firstMs)
    this.#settlements = new Settlements(source, {
      attemptStore: settings.attemptStore,
      keyOf: (position) => this.#storeKey(position),
      onFailed: (error) => this.#scheduler.fail(error),
    })
    this.#times = new HandlerTimes(this.#clock, (meanMs) => this.#settlements.timed(meanMs))
  }

  /** As `RingReader.process`. */
  async run(): Promise<ProcessSummary> {
    const { signal, graceMs } = this.#settings
    const scheduler = this.#scheduler
    const { closing, watch } = this.#internals
    const endings = [
      onAbort(signal, () => scheduler.stop(signal?.reason)),
      onAbort(closing, () => scheduler.fail(closing.reason)),
      // Any acknowledgement may make room in the reader, not only one of this processor.
      watch(() => scheduler.notifyChanged()),
    ]
    const ended = scheduler.run().then(
      () => this.#settlements.ended(),
      () => this.#settlements.ended(),
    )
    try {
      await Promise.race([ended, this.#stopped()])
      await atMost(graceMs, ended, this.#clock)
    } finally {
      for (const end of endings) end()
    }
    const abandoned = this.#handling
    this.#isOver = true
    this.#over.abort(new Error('process stopped, and this did not end in time'))
    await this.#requeuer.pushed
    await this.#settlements.written
    const unfinished = await this.#finish()
    // Not the error of `scheduler.run`, which a handler that does not end would delay.
    const failure = scheduler.failure ?? unfinished
    if (failure !== undefined) throw failure.error
    return { ...this.#settlements.counts, failedAttempts: this.#failedAttempts, abandoned }
  }

  /** Writes the acknowledgements. Unacknowledged items are delivered again. */
  async #finish(): Promise<{ readonly error: unknown } | undefined> {
    try {
      try {
        await this.#source.flush({ waitForEarlier: false })
      } finally {
        // Comes last, because a failed write makes the reader deliver acknowledged entries again.
        await this.#source.rewind()
      }
      return undefined
    } catch (error) {
      return { error }
    }
  }

  #stopped(): Promise<void> {
    return new Promise((resolve) => {
      onAbort(this.#scheduler.stopping, resolve)
    })
  }

  async next(maxItems: number, signal: AbortSignal): Promise<readonly Delivered<Out>[]> {
    const { untilEmpty, requeueTo, views } = this.#settings
    const source = this.#source
    try {
      for (;;) {
        while (this.#requeuer.isMoving && !signal.aborted) await this.#scheduler.untilChanged()
        if (signal.aborted) return []
        const bounds = { maxItems, maxBytes: READ_BYTES, views, signal }
        if (!untilEmpty && requeueTo === undefined) {
          return this.#checked(await source.receiveMany(bounds), signal)
        }
        const entries = await source.tryReceiveMany(bounds)
        if (entries.length > 0) return this.#checked(entries, signal)
        if (this.#internals.isFull()) {
          const task = this.#requeuer.choose(this.#scheduler.paused, this.#internals.oldest())
          if (task !== undefined) this.#scheduler.hurry(task)
          await this.#scheduler.untilChanged()
          continue
        }
        // The ring advanced past the entry that held it before that acknowledgement resolved here.
        if (this.#internals.wasFull()) continue
        if (untilEmpty) return []
        return this.#checked(await source.receiveMany(bounds), signal)
      }
    } catch (error) {
      if (!isCodecError(error)) throw error
      return [this.#undecodable(error)]
    }
  }

  onRest(): void {
    this.#times.rest()
  }

  async #checked(
    entries: readonly RingEntry<Out>[],
    signal: AbortSignal,
  ): Promise<readonly RingEntry<Out>[]> {
    while (this.#internals.jumps() !== this.#jumps) await this.#refreshFoundUpTo(signal)
    return entries
  }

  taskOf(entry: Delivered<Out>): ItemTask<Out> {
    const { keyOf, attemptStore } = this.#settings
    if ('error' in entry) {
      const task = newItemTask<Out>(entry, 'giveUp', 0)
      task.error = entry.error
      return task
    }
    const uncounted = attemptStore === undefined ? 0 : undefined
    const attempts = this.#requeuer.takeAttempts(entry.position) ?? uncounted
    const task = newItemTask<Out>(entry, 'handle', attempts)
    if (keyOf === undefined) return task
    try {
      task.key = checkedKey(keyOf(entry.item))
    } catch (cause) {
      // The item may be at fault, so each attempt at it fails.
      task.keyError = new Error('keyOf failed for this item', { cause })
    }
    return task
  }

  /** Items that the reader jumped to may have existed before the call, after the apparent end of the log. */
  async #refreshFoundUpTo(signal: AbortSignal): Promise<void> {
    this.#jumps = this.#internals.jumps()
    this.#facts.foundUpTo = await this.#ring.findEnd(signal)
  }

  #undecodable(error: CodecError): Undecodable {
    const { onUndecodable } = this.#settings
    const { position: shown, bytes } = error.details
    const { ack } = error
    if (shown === undefined || ack === undefined) throw error
    const position = parsePosition(shown)
    if (onUndecodable === 'stop') throw this.#givenUp(position, 0, error)
    return { error, position, storedBytes: bytes?.length ?? 0, pushedAt: undefined, ack }
  }

  /** Calls the handler, or hands the item over, whose outcome is a {@link Concluded}. */
  attempt(task: ItemTask<Out>): unknown {
    if (task.next === 'requeue') return this.#requeue(task)
    if (task.next === 'giveUp') return this.#handOver(task)
    const { attemptStore } = this.#settings
    if (attemptStore !== undefined) return this.#countAndCall(task, attemptStore)
    if (workEvents.hasSubscribers) task.startedAt = this.#times.begin()
    return this.#call(task)
  }

  #call(task: ItemTask<Out>): unknown {
    const { entry, keyError } = task
    // Undecodable items are given up, and never get here.
    if ('error' in entry) return new Concluded(this.#giveUp(task))
    const attempt = (task.attempts ?? 0) + 1
    task.attempts = attempt
    this.#handling++
    if (keyError !== undefined) throw keyError
    task.job = new CurrentJob(entry, attempt, this.#facts)
    return this.#handler(entry.item, task.job)
  }

  /**
   * Counts the attempt before it starts, so that an attempt that crashes the program is counted.
   * @returns as `attempt`
   */
  async #countAndCall(task: ItemTask<Out>, store: AttemptStore): Promise<unknown> {
    const key = this.#storeKey(task.entry.position)
    try {
      task.attempts ??= countIn(await store.get(key))
      if (task.attempts < this.#settings.attempts) await store.set(key, task.attempts + 1)
    } catch (error) {
      return new Concluded(this.#again(task, 'attemptStore', ++task.failures, error))
    }
    // It was stopped meanwhile.
    if (this.#scheduler.stopping.aborted) return new Concluded(undefined)
    if (workEvents.hasSubscribers) task.startedAt = this.#clock.now()
    if (task.attempts < this.#settings.attempts) return this.#call(task)
    task.error ??= new Error(`the program ended during attempt ${task.attempts}`)
    return new Concluded(this.#giveUp(task))
  }

  /** Concludes an attempt: the handler returned, or another outcome was concluded. */
  conclude(task: ItemTask<Out>, answer: unknown): Verdict<ItemTask<Out>> {
    if (answer instanceof Concluded) return answer.verdict as Verdict<ItemTask<Out>>
    // `job.retry()` counts even if the handler forgets to return it. Otherwise the item would be acknowledged and lost.
    const decision = HandlerVerdict.given(answer, task.job)
    return decision === undefined ? this.#succeeded(task) : this.#unsuccessful(task, decision)
  }

  /** Concludes an attempt whose handler threw, or that failed for a reason outside the item. */
  failed(task: ItemTask<Out>, error: unknown): Verdict<ItemTask<Out>> {
    if (task.next !== 'handle') throw error
    return this.#unsuccessful(task, { what: 'retry', afterMs: undefined, reason: error })
  }

  #succeeded(task: ItemTask<Out>): undefined {
    this.#handling--
    const { entry } = task
    // Its success comes too late, and the item is delivered again.
    if (this.#isOver || 'error' in entry) return
    const durationMs = workEvents.hasSubscribers ? this.#times.end(task.startedAt) : 0
    this.#settlements.handled(entry, task.attempts ?? 1, durationMs)
  }

  #unsuccessful(task: ItemTask<Out>, decision: Decision): Verdict<ItemTask<Out>> {
    this.#handling--
    if (this.#isOver) return undefined
    this.#failedAttempts++
    const attempt = task.attempts ?? 1
    if (workEvents.hasSubscribers) {
      const durationMs = this.#times.endNow(task.startedAt)
      const failure = { attempt, durationMs, error: decision.reason }
      this.#settlements.publish(task.entry.position, { event: 'failed', ...failure })
    }
    this.#tellFailed(task.entry.position, 'handler', attempt, decision.reason)
    // The handler may have failed because it was stopped. The item is delivered again.
    if (this.#scheduler.stopping.aborted) return undefined
    task.error = decision.reason
    if (decision.what === 'giveUp' || attempt >= this.#settings.attempts) return this.#giveUp(task)
    return this.#again(task, 'handler', attempt, decision.reason, decision.afterMs)
  }

  /**
   * Hands an item over in its next step.
   * @throws {WorkError} there is nothing to hand it to
   */
  #giveUp(task: ItemTask<Out>): Verdict<ItemTask<Out>> {
    if (this.#settings.deadLetter === undefined) {
      throw this.#givenUp(task.entry.position, task.attempts ?? 0, task.error)
    }
    task.next = 'giveUp'
    task.failures = 0
    return { parts: [task] }
  }

  /** Turns an item into a dead letter. */
  async #handOver(task: ItemTask<Out>): Promise<Concluded> {
    const { entry, error } = task
    if ('error' in entry && this.#settings.onUndecodable === 'skip') {
      return this.#settle(task, { event: 'skipped', error })
    }
    // Reads the bytes again, because codec and handler may have changed those that they got.
    const bytes = await this.#source.bytesOf(entry)
    if (this.#isOver) return new Concluded(undefined)
    if (bytes === undefined) return this.#settle(task, { event: 'overwritten' })
    const signal = this.#overSignal
    try {
      await this.#settings.deadLetter?.(this.#letter(task, bytes), { signal })
    } catch (cause) {
      if (isPermanent(cause)) throw cause
      return new Concluded(this.#again(task, 'deadLetter', ++task.failures, cause))
    }
    if (this.#isOver) return new Concluded(undefined)
    return this.#settle(task, { event: 'deadLettered', attempts: task.attempts ?? 0, error })
  }

  #letter({ entry, attempts, error }: ItemTask<Out>, bytes: Uint8Array): DeadLetter<Out> {
    return {
      ...('item' in entry && { item: entry.item }),
      bytes,
      ring: this.#ring.ring,
      position: this.#show(entry.position),
      pushedAt: entry.pushedAt,
      attempts: attempts ?? 0,
      error,
    }
  }

  /** Moves an item to the end of the ring. */
  async #requeue(task: ItemTask<Out>): Promise<Concluded> {
    try {
      const bytes = await this.#source.bytesOf(task.entry)
      if (this.#isOver) return new Concluded(undefined)
      if (bytes === undefined) return this.#settle(task, { event: 'overwritten' })
      const attempts = task.attempts ?? 0
      const position = await this.#requeuer.push(bytes, attempts, this.#overSignal)
      if (this.#isOver) return new Concluded(undefined)
      const { error } = task
      if (position === undefined) {
        task.next = 'handle'
        return new Concluded(this.#again(task, 'requeue', attempts, error))
      }
      await this.#countAgain(position, attempts)
      return this.#settle(task, { event: 'requeued', attempts, error })
    } finally {
      this.#requeuer.end()
    }
  }

  /**
   * Saves the count of attempts of a requeued item. If that fails, the requeue stands, and the count is saved before
   * the next attempt.
   */
  async #countAgain(position: Position, attempt: number): Promise<void> {
    try {
      await this.#settings.attemptStore?.set(this.#storeKey(position), attempt)
    } catch (error) {
      this.#tellFailed(position, 'attemptStore', attempt, error)
      const what = { what: 'attemptStore', attempt, error, delayMs: 0 } as const
      this.#settlements.publish(position, { event: 'retried', ...what })
    }
  }

  #settle({ entry }: ItemTask<Out>, outcome: Outcome): Concluded {
    this.#settlements.settle(entry, outcome)
    return new Concluded(undefined)
  }

  /** Schedules another attempt after a pause. */
  #again(
    { entry }: ItemTask<Out>,
    what: FailedAttempt['what'],
    attempt: number,
    error: unknown,
    afterMs?: number,
  ): Verdict<ItemTask<Out>> {
    // Of a handler it was told before.
    if (what !== 'handler') this.#tellFailed(entry.position, what, attempt, error)
    const delayMs = afterMs ?? backoffAfter(attempt, this.#backoff)
    this.#settlements.publish(entry.position, { event: 'retried', what, attempt, error, delayMs })
    return { againAfterMs: delayMs }
  }

  #tellFailed(
    position: Position,
    what: FailedAttempt['what'],
    attempt: number,
    error: unknown,
  ): void {
    const { onFailed } = this.#settings
    if (onFailed === undefined) return
    const { device, format } = this.#source.consumer
    const number = itemNumber(position, format)
    onFailed(error, { what, attempt, device: device.name, position, number })
  }

  #givenUp(position: Position, attempts: number, error: unknown): WorkError {
    const device = this.#source.consumer.device.name
    return givenUp({ device, position: this.#show(position), attempts }, error)
  }

  #storeKey(position: Position): string {
    return `${this.#ring.ring}/${this.#show(position)}`
  }

  #show(position: Position): string {
    return formatPosition(position, this.#source.consumer.format)
  }
}

/** Refuses objects as keys: a promise, say, would be a new key each time, and order nothing. */
function checkedKey(key: unknown): unknown {
  if (['string', 'number', 'bigint', 'undefined'].includes(typeof key)) return key
  throw new TypeError(`keyOf: expected a string, a number or undefined, found ${typeof key}`)
}

function countIn(stored: number | undefined): number {
  const count = stored ?? 0
  if (Number.isSafeInteger(count) && count >= 0) return count
  throw new TypeError(`attemptStore: expected a count of attempts, found ${String(stored)}`)
}
