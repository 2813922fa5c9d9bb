import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import { isCodecError, isRingError, type RingErrorCode } from '../errors.ts'
import { asPosition, type Position } from '../position.ts'
import { refuseOwnRing } from '../ring/queue/process/dead-letter-ring.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import { checkWriterOptions, WRITER_KINDS } from '../ring/queue/writer-options.ts'
import type { Consumer } from '../ring/types.ts'
import { onAbort, untilAborted } from '../util/abort.ts'
import { atMost } from '../util/at-most.ts'
import { checkOptions, optionsOf } from '../util/options.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'
import { Alarm } from './alarm.ts'
import { attachEnds, type Ends } from './attach.ts'
import {
  closed,
  endedBy,
  isJournalError,
  type JournalError,
  type JournalNames,
  unanswered,
} from './errors.ts'
import { publishJournalEvent } from './events.ts'
import { Performer } from './performer.ts'
import { Receipts } from './receipts.ts'
import { Schedule } from './schedule.ts'
import { JOURNAL_KINDS, type Settings, settingsOf } from './settings.ts'
import type { JournalOptions, JournalStatus, Perform, Receipt } from './types.ts'
import { Waits } from './wait.ts'

/** Codes with which a push is refused, without further consequences. */
const REFUSALS: readonly RingErrorCode[] = ['RING_ITEM_TOO_LARGE', 'RING_OVERLOADED']
const BEFORE_ALL = asPosition(-1n)

/** The parts of a journal. */
interface Parts<In> {
  readonly ends: Ends<In>
  readonly performer: Pick<Performer<never>, 'run' | 'progress' | 'performingUpTo'>
  readonly receipts: Receipts
  readonly schedule: Schedule
  readonly settings: Pick<Settings<never>, 'queue' | 'client' | 'clock' | 'graceMs'>
  readonly stop: AbortController
}

/**
 * Keeps descriptions of idempotent operations on a device, and performs each at least once, in the order of pushing,
 * whatever crashes.
 *
 * It is a ring with both ends in one process. While operations are pending, a timer keeps the process alive; an idle
 * journal does not.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { text } from 'shared-block-ring/codec'
 * import { Journal } from 'shared-block-ring/journal'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * const perform = async (operations: readonly string[]): Promise<void> => {
 *   for (const operation of operations) console.log(operation) // send the mail
 * }
 * await using journal = await Journal.open(device, perform, { codec: text })
 * await journal.push('send the mail')
 * await journal.sync()
 * ```
 */
export class Journal<In = Uint8Array> implements AsyncDisposable {
  /** The device that holds the journal. */
  readonly device: BlockDevice
  /** As in `JournalOptions`. */
  readonly queue: string
  /** As in `JournalOptions`. */
  readonly client: string
  /**
   * Resolves when the journal was closed; rejects with the {@link JournalError} if it ended by itself. A rejection
   * may go unhandled.
   */
  readonly ended: Promise<void>
  readonly #writer: RingWriter<In>
  readonly #consumer: Consumer
  readonly #performer: Parts<In>['performer']
  readonly #receipts: Receipts
  readonly #schedule: Schedule
  readonly #settings: Parts<In>['settings']
  readonly #stop: AbortController
  readonly #pushes = new Waits()
  readonly #running: Promise<void>
  /** The end of the operations found at start. */
  readonly #foundUpTo: Position
  /** The end of the durable operations. */
  #pushedUpTo: Position
  /** Settles when all durable operations were performed. */
  #last: Promise<void>
  #error: JournalError | undefined
  #finished: Promise<void> | undefined
  #resolveEnded: (error: JournalError) => void = () => undefined

  private constructor(parts: Parts<In>) {
    const { ends, performer, receipts, schedule, settings, stop } = parts
    this.device = ends.consumer.device
    this.queue = settings.queue
    this.client = settings.client
    this.#writer = ends.writer
    this.#consumer = ends.consumer
    this.#performer = performer
    this.#receipts = receipts
    this.#schedule = schedule
    this.#settings = settings
    this.#stop = stop
    this.#foundUpTo = ends.writer.producer.position
    this.#pushedUpTo = this.#foundUpTo
    this.#last = receipts.add(this.#foundUpTo, settings.clock.now())
    this.ended = new Promise((resolve, reject) => {
      this.#resolveEnded = (error) => (error.code === 'JOURNAL_CLOSED' ? resolve() : reject(error))
    })
    this.ended.catch(() => undefined)
    this.#running = this.#run()
  }

  /**
   * Starts a journal, which is created first if the device is blank. Operations that an earlier one left are performed
   * first, starting now; `sync` waits for them. A ring that was suspended is resumed.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {RingError} `RING_NOT_BLANK`, and as `Consumer.attach` and `Producer.attach`: then nothing was
   *   changed on the device
   * @throws {BlockError} `BLOCK_CLAIMED`, and as the device throws it
   * @throws the signal's reason
   */
  static async open<Out = Uint8Array, In = Out>(
    device: BlockDevice,
    perform: Perform<Out>,
    options: JournalOptions<Out, In> = {},
  ): Promise<Journal<In>> {
    checkDevice('Journal.open', device)
    if (typeof perform !== 'function') throw new TypeError('perform must be a function')
    checkOptions('Journal.open', options, JOURNAL_KINDS)
    const settings = settingsOf(options)
    const alarm = new Alarm(settings.clock)
    const { queue, client, clock } = settings
    const onBlocked = (): void => alarm.wake()
    // A journal is its own consumer: no other program can request a suspension.
    const idle = { idleRefreshIntervalMs: Number.POSITIVE_INFINITY, onBlocked }
    const names = { queue, client, clock }
    const writing = {
      ...optionsOf(options, WRITER_KINDS),
      ...{ createIfMissing: false, ...idle, ...names },
    }
    checkWriterOptions('Journal.open', writing)
    const ends = await attachEnds(device, options, writing)
    const { consumer, writer } = ends
    try {
      await refuseOwnRing(options.deadLetter, device, options.signal)
    } catch (error) {
      await Promise.all([writer.close(), consumer.close()])
      throw error
    }
    const stop = new AbortController()
    const receipts = new Receipts(consumer.position)
    const schedule = new Schedule(receipts, () => writer.blocked, alarm, settings)
    const onFreed = (): void => {
      if (writer.blocked) writer.wake()
    }
    const foundUpTo = writer.producer.position
    const untilDue = async (signal: AbortSignal): Promise<Position> => {
      await schedule.untilDue(signal)
      return journal.#pushedUpTo
    }
    const performer = new Performer({
      ...{ consumer, perform, settings, receipts, foundUpTo, untilDue, onFreed },
      stop: stop.signal,
    })
    const journal = new Journal<In>({ ends, performer, receipts, schedule, settings, stop })
    journal.#endWith(options.signal)
    return journal
  }

  /**
   * Puts an operation on stable storage, waiting for room in the order of the calls. Concurrent pushes share commits.
   * @throws {CodecError} `CODEC_ENCODE`
   * @throws {RingError} `RING_ITEM_TOO_LARGE`; `RING_OVERLOADED`: too many pushes wait
   * @throws {JournalError} why the journal ended. After `JOURNAL_DEVICE`, it is unknown whether the operation is on
   *   the device.
   * @throws the signal's reason: then the operation was not pushed
   */
  async push(operation: In, options: WaitingOptions = {}): Promise<Receipt> {
    const calledAt = this.#settings.clock.now()
    try {
      const pushed = await this.#pushes.wait(this.#writer.push(operation, options))
      return this.#receipt(pushed, calledAt)
    } catch (error) {
      throw this.#pushError(error, options.signal)
    }
  }

  /**
   * Waits until every operation that is durable by now was performed or handed to the dead letter: those found at
   * start, and those pushed.
   * @throws {JournalError} why the journal ended first
   * @throws the signal's reason, which only ends the wait
   */
  async sync(options: WaitingOptions = {}): Promise<void> {
    const signal = signalOf('Journal.sync', options)
    const last = this.#last
    await untilAborted(
      last.catch((error: unknown) => {
        if (!isJournalError(error) || error.code !== 'JOURNAL_DEAD_LETTERED') throw error
      }),
      signal,
    )
  }

  /** Asks for performing everything that is durable by now, as {@link Receipt.performNow} does. */
  performNow(): void {
    this.#schedule.performNow(this.#pushedUpTo)
  }

  /** The state of the journal. */
  status(): JournalStatus {
    const { position, logOffset } = this.#consumer
    const { attempt, lastError, nextRetryAt } = this.#performer.progress
    const { clock } = this.#settings
    return {
      state: this.#error === undefined ? 'running' : 'ended',
      pendingOperations: position < this.#foundUpTo ? undefined : this.#receipts.size,
      pendingBytes: Number(this.#writer.producer.logOffset - logOffset),
      queuedPushes: this.#pushes.size,
      attempt,
      lastError,
      nextRetryInMs: nextRetryAt === undefined ? undefined : Math.max(0, nextRetryAt - clock.now()),
    }
  }

  /**
   * Ends the journal; the device stays connected. Operations that were not performed stay on the device for the next
   * start. Waiting pushes and receipts are rejected with `JOURNAL_CLOSED`. The signal of a running `perform` is
   * aborted; if it still succeeds within `graceMs`, its operations count as performed, otherwise the next start
   * performs them again. If the device then does not respond within another `graceMs`, pushes in flight are rejected
   * with `JOURNAL_DEVICE`, and the roles are released once it responds. Never fails; can be called again.
   */
  close(): Promise<void> {
    return this.#end(closed(this.#where))
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #where(): JournalNames {
    return { device: this.device.name, journal: this.queue }
  }

  async #run(): Promise<void> {
    try {
      await this.#performer.run()
    } catch (error) {
      // Not awaited: the end waits for this.
      void this.#end(error)
    }
  }

  #receipt(position: Position, calledAt: number): Receipt {
    const done = this.#receipts.add(position, calledAt)
    if (position > this.#pushedUpTo) {
      this.#pushedUpTo = position
      this.#last = done
    }
    this.#schedule.wake()
    return {
      position,
      done,
      sync: async (options = {}) => untilAborted(done, signalOf('Receipt.sync', options)),
      performNow: () => this.#schedule.performNow(position),
    }
  }

  /** The error of a failed push. A fault of the device ends the journal. */
  #pushError(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true && error === signal.reason) return error
    if (isJournalError(error)) return error
    if (isCodecError(error) || error instanceof TypeError) return error
    if (isRingError(error) && REFUSALS.includes(error.code)) return error
    void this.#end(error)
    return this.#error
  }

  /** Ends the journal when the signal is aborted. */
  #endWith(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    const listening = onAbort(signal, () => void this.#end(closed(this.#where, signal.reason)))
    this.ended.then(listening, listening)
  }

  /** Ends the journal for a reason, unless it is ending already. */
  #end(reason: unknown): Promise<void> {
    this.#error ??= endedBy(this.#where, reason)
    this.#finished ??= this.#finish(this.#error)
    return this.#finished
  }

  async #finish(error: JournalError): Promise<void> {
    this.#receipts.end(error, this.#performer.performingUpTo)
    this.#stop.abort(error)
    this.#schedule.wake()
    const writerClosed = this.#writer.close()
    const { graceMs, clock } = this.#settings
    await atMost(graceMs, this.#running, clock)
    this.#receipts.end(error, BEFORE_ALL)
    const released = Promise.all([writerClosed, this.#consumer.close()])
    if (!(await atMost(graceMs, released, clock))) {
      this.#pushes.giveUp(unanswered(this.#where))
    }
    publishJournalEvent(this.#where, { event: 'ended', error })
    this.#resolveEnded(error)
  }
}
