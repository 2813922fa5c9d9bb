import { checkDevice } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { bytes } from '../../codec/bytes.ts'
import type { Codec } from '../../codec/codec.ts'
import { RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { eachUntil } from '../../util/each-until.ts'
import { Lazy } from '../../util/lazy.ts'
import { checkOptions } from '../../util/options.ts'
import { Serial } from '../../util/serial.ts'
import { NO_OPTIONS, signalOf, type WaitingOptions } from '../../util/waiting.ts'
import { attachConsumer, type Consumer, checkLease } from '../access/attach.ts'
import type { QueueConsumer } from '../format.ts'
import { popBounds } from '../shared/single-item.ts'
import type { RingState } from '../types.ts'
import { Acknowledger, type AcknowledgerOptions } from './acknowledger.ts'
import { createMissing } from './create-missing.ts'
import { Deliveries, type Delivery } from './deliveries.ts'
import { DeliveredEntry, type RingEntry } from './entry.ts'
import { EntrySource } from './entry-source.ts'
import { publishReaderEvent } from './events.ts'
import type { LazyAckOptions } from './lazy-ack-options.ts'
import { type PollOptions, Waiter, type WakeCause } from './poll.ts'
import type { Handler, ProcessOptions, ProcessSummary } from './process/types.ts'
import type { ReaderInternals } from './reader-internals.ts'
import {
  checkReaderOptions,
  FLUSH_KINDS,
  type FlushOptions,
  RECEIVE_KINDS,
  type ReaderOptions,
  type ReceiveManyOptions,
  SEEK_KINDS,
  type SeekOptions,
} from './reader-options.ts'
import { Reservation, type Reserved, type Reserver } from './reservation.ts'
import { type Unacked, UnackedLimit } from './unacked-limit.ts'

const lazily = new Lazy(() => import('./lazy-acknowledgements.ts'))
const ringAwaiting = new Lazy(() => import('./await-ring.ts'))
const stateAwaiting = new Lazy(() => import('./await-state.ts'))
const processing = new Lazy(() => import('./process/process.ts'))

/** The default of `maxUnacked`. */
const MAX_UNACKED = 65_536

const ONE: ReceiveManyOptions = { maxItems: 1 }

/** A waiting reader polls the slots at this interval, in milliseconds, or more often if its polls are more frequent. */
const SLOTS_MS = 1000

/** The lazy acknowledgements of a reader, whose code `open` has loaded. */
function lazilyOf(lazyAck: boolean | LazyAckOptions): AcknowledgerOptions['lazily'] {
  if (lazyAck === false) return undefined
  if (lazily.value === undefined) throw new Error('RingReader.open loads it')
  return { when: lazyAck === true ? {} : lazyAck, Lazy: lazily.value.LazyAcknowledgements }
}

/** Creates a reader of an attached consumer. */
let readerOn: <Out>(consumer: QueueConsumer, options: ReaderOptions<Out>) => RingReader<Out>

/** The internals of a reader, for other parts of the package. */
let internalsOf: <Out>(reader: RingReader<Out>) => ReaderInternals

/**
 * Reserves a reader: until it is released, its own calls that receive or change its position are refused.
 * @throws {TypeError} it is reserved already, or a call of the program is receiving
 */
let reserve: <Out>(reader: RingReader<Out>, by: Reserver) => Reserved<Out>

export { internalsOf, readerOn, reserve }

/**
 * The waiting end that pops. It moves on from item to item by itself. An item stays in the ring until it and all items
 * before it are acknowledged: the next reader delivers the others again. Several loops may receive from one reader:
 * each item goes to one of them. `process`, and a `FanIn` with the reader, are its only receiver.
 *
 * - `Deliveries` tracks which entries were delivered and which are finished, `Acknowledger` writes that, and
 *   `UnackedLimit` bounds it.
 * - The ring advances only past entries that are finished without a gap: a slow handler's item is never lost to a fast
 *   one.
 * - Calls that wait take turns; `tryReceive` never waits for them.
 *
 * @example
 * ```ts
 * import { RingReader, RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { text } from 'shared-block-ring/codec'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
 * await writer.push('hello')
 * await using reader = await RingReader.open(device, { codec: text })
 * for await (const entry of reader.entries()) {
 *   console.log(entry.item) // hello
 *   await entry.ack()
 *   break
 * }
 * ```
 */
export class RingReader<Out = Uint8Array> implements AsyncDisposable {
  /**
   * The underlying primitives. Using them beside the reader is safe: what `advance` passes there counts as
   * acknowledged.
   */
  readonly consumer: Consumer
  readonly #consumer: QueueConsumer
  readonly #clock: Clock
  readonly #waiter: Waiter
  readonly #waitOptions: PollOptions
  readonly #reading = new Serial()
  /** Serialises the calls that wait; `try…` calls bypass it. */
  readonly #receiving = new Serial()
  readonly #closing = new AbortController()
  readonly #deliveries: Deliveries
  readonly #limit: UnackedLimit
  readonly #acknowledger: Acknowledger
  readonly #source: EntrySource<Out>
  readonly #reservation: Reservation
  /** The interval at which the slots are polled, in milliseconds. */
  readonly #slotsMs: number
  #closed: RingError | undefined

  static {
    readerOn = (consumer, options) => new RingReader(consumer, options)
    internalsOf = (reader) => ({
      clock: reader.#clock,
      closing: reader.#closing.signal,
      oldest: () => reader.#deliveries.oldest?.position,
      isFull: () => reader.#limit.isFull,
      wasFull: () => reader.#limit.wasFull,
      hasEnded: () => reader.#acknowledger.hasEnded,
      jumps: () => reader.#consumer.jumps,
      watch: (onChange) => reader.#acknowledger.watch(onChange),
    })
    reserve = (reader, by) => reader.#reserve(by)
  }

  private constructor(consumer: QueueConsumer, options: ReaderOptions<Out>) {
    const { lazyAck = false, maxUnacked = MAX_UNACKED, clock = systemClock } = options
    const deliveries = new Deliveries(consumer.position)
    this.consumer = consumer
    this.#consumer = consumer
    this.#clock = clock
    this.#reservation = new Reservation(consumer.device.name)
    this.#waitOptions = options
    this.#slotsMs = Math.min(SLOTS_MS, options.maxPollMs ?? SLOTS_MS)
    this.#deliveries = deliveries
    this.#limit = new UnackedLimit(consumer, deliveries, maxUnacked, options.onHeld)
    const { signal: closing } = this.#closing
    const onChange = (): void => {
      if (this.#limit.wasFull) this.#waiter.wake()
    }
    const how = { clock, lazily: lazilyOf(lazyAck), closing, onChange }
    this.#acknowledger = new Acknowledger(consumer, deliveries, how)
    const codec = options.codec ?? (bytes as Codec<Out & Uint8Array, never>)
    const parts = { consumer, deliveries, acknowledger: this.#acknowledger, limit: this.#limit }
    this.#source = new EntrySource({ ...parts, codec, closing, clock })
    this.#waiter = new Waiter(consumer.device, clock, options, (by) => {
      publishReaderEvent(consumer, { event: 'woken', by })
    })
    this.#waiter.listen(consumer.hints)
    publishReaderEvent(consumer, { event: 'opened' })
  }

  /**
   * Takes the consumer's role.
   * @throws {TypeError} an option is unknown or has the wrong type; `device` is not a device
   * @throws {RangeError} an option is out of range; then nothing was sent to the device
   * @throws as `Consumer.attach`; the signal's reason
   */
  static open(
    device: BlockDevice,
    options?: ReaderOptions<Uint8Array> & { readonly codec?: never },
  ): Promise<RingReader<Uint8Array>>
  static open<Out>(
    device: BlockDevice,
    options: ReaderOptions<Out> & { readonly codec: Codec<Out, never> },
  ): Promise<RingReader<Out>>
  static async open<Out>(
    device: BlockDevice,
    options: ReaderOptions<Out> = {},
  ): Promise<RingReader<Out>> {
    checkDevice('RingReader.open', device)
    checkReaderOptions('RingReader.open', options)
    if (options.lease !== undefined) await checkLease(options.lease)
    options.signal?.throwIfAborted()
    if (options.lazyAck) await lazily.load()
    await createMissing(device, options.createIfMissing ?? false)
    if (options.waitForRing === true) {
      const { awaitRing } = ringAwaiting.value ?? (await ringAwaiting.load())
      await awaitRing(device, options)
    }
    const consumer = await attachConsumer(device, options)
    try {
      return new RingReader<Out>(consumer, options)
    } catch (error) {
      await consumer.close()
      throw error
    }
  }

  /**
   * The next item, as soon as there is one.
   * @throws {CodecError} `CODEC_DECODE`, with the item's position, its bytes and an `ack`; the next call continues
   *   after it
   * @throws {RingError} `RING_DAMAGED`, `RING_ITEM_TOO_LARGE`: the next call throws it again, unless `seek` or
   *   `ackThrough` goes to `parsePosition(details.position)` first
   * @throws {RingError} as {@link Consumer} does; `RING_CLOSED` when the reader is closed meanwhile
   * @throws the signal's reason
   */
  async receive(options: WaitingOptions = NO_OPTIONS): Promise<RingEntry<Out>> {
    const signal = signalOf('RingReader.receive', options)
    const [entry] = await this.receiveMany(signal === undefined ? ONE : { signal, maxItems: 1 })
    if (entry === undefined) throw new Error('receiveMany returns at least one item')
    return entry
  }

  /**
   * The next item, if there is one now.
   * @throws as `receive`
   */
  async tryReceive(): Promise<RingEntry<Out> | undefined> {
    const [entry] = await this.tryReceiveMany(ONE)
    return entry
  }

  /**
   * The next items, at least one.
   * @throws as `receive`; items before one that does not decode are returned first
   */
  async receiveMany(options: ReceiveManyOptions = {}): Promise<readonly RingEntry<Out>[]> {
    popBounds(options, 'RingReader.receiveMany', RECEIVE_KINDS)
    return this.#reservation.run(() => this.#receiveMany(options))
  }

  #receiveMany(options: ReceiveManyOptions): Promise<readonly RingEntry<Out>[]> {
    const { signal } = options
    return this.#receiving.run(async () => {
      for (;;) {
        if (this.#closed !== undefined) throw this.#closed
        // `process` may have ended while the device was slow: entries taken for it now would be lost.
        signal?.throwIfAborted()
        const entries = await this.#reading.run(() => this.#source.take(options))
        if (entries.length > 0) {
          this.#waiter.reset()
          return entries
        }
        const at = this.#source.cursor
        const nothingYet = (): boolean =>
          this.#isQuiet(at) && !this.#consumer.mayHaveItemsNow(at, this.#slotsMs)
        let by: WakeCause
        do by = await this.#waiter.pause(signal, nothingYet)
        while (
          this.#isQuiet(at) &&
          !(await this.#consumer.mayHaveItems(at, this.#slotsMs, by === 'hint'))
        )
      }
    }, signal)
  }

  /**
   * The next items that are available now; none if there are none.
   * @throws as `receive`; items before one that does not decode are returned first
   */
  async tryReceiveMany(options: ReceiveManyOptions = {}): Promise<readonly RingEntry<Out>[]> {
    popBounds(options, 'RingReader.tryReceiveMany', RECEIVE_KINDS)
    return this.#reservation.run(() => this.#tryReceiveMany(options))
  }

  async #tryReceiveMany(options: ReceiveManyOptions): Promise<readonly RingEntry<Out>[]> {
    options.signal?.throwIfAborted()
    if (this.#closed !== undefined) throw this.#closed
    return this.#reading.run(() => this.#source.take(options))
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<RingEntry<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * Delivers one entry after the other, and waits for more. Acknowledges nothing. Ends without an error when the signal
   * is aborted or the reader is closed. After any other error, another loop continues where this one ended.
   * @throws as `receive`
   */
  entries(options: WaitingOptions = {}): AsyncGenerator<RingEntry<Out>, void, undefined> {
    return eachUntil(
      () => options.signal?.aborted === true || this.#closed !== undefined,
      () => this.receive(options),
    )
  }

  /**
   * Calls the handler for each item, concurrently, and settles each item independently: it is acknowledged when the
   * handler returns, retried after a pause when it throws, and given up after `attempts`. Resolves once it was stopped
   * and the running handlers have ended, or `graceMs` is over. By then every acknowledgement without an unacknowledged
   * item before it is durable. Items that were not handled are delivered again. Meanwhile the reader's own `receive`,
   * `rewind` and similar calls are refused with a `TypeError`.
   * @throws {TypeError | RangeError} an option is out of range, another call is processing or receiving, or a `FanIn`
   *   has the reader
   * @throws {WorkError} `WORK_GIVEN_UP`, `WORK_UNDECODABLE`: the item stays in the ring, and a new call meets it again
   * @throws as `receive` and `RingEntry.ack`, when the running handlers have ended
   */
  async process(handler: Handler<Out>, options: ProcessOptions<Out> = {}): Promise<ProcessSummary> {
    if (typeof handler !== 'function') throw new TypeError('process takes a function')
    const reserved = this.#reserve('process')
    try {
      const { process } = processing.value ?? (await processing.load())
      return await process(reserved, handler, options, internalsOf(this))
    } finally {
      reserved.release()
    }
  }

  /**
   * Acknowledges everything up to an entry, or up to a delivered position: for batches that are handled in order.
   * Resolves when it is durable; with `lazyAck`, usually immediately. Concurrent calls share one write. If it rejects,
   * it has acknowledged nothing.
   * @throws {TypeError} the entry is another reader's, or the position is text
   * @throws {RangeError} no item was delivered up to there
   * @throws {RingError} as {@link Consumer}
   */
  async ackThrough(upTo: Position | RingEntry<Out>): Promise<void> {
    const position = typeof upTo === 'object' ? this.#deliveryOf(upTo).position : upTo
    this.#source.checkDelivered(position)
    await this.#acknowledger.acknowledgeThrough(position)
  }

  /**
   * Acknowledges entries in any order, as their `ack` does, with one write: for entries that were handled concurrently.
   * If it rejects, entries after an unacknowledged one remain acknowledged, and the others are not.
   * @throws {TypeError} an entry is another reader's; then none is acknowledged
   * @throws as `RingEntry.ack`
   */
  async ackAll(entries: readonly RingEntry<Out>[]): Promise<void> {
    await this.#acknowledger.acknowledgeAll(entries.map((entry) => this.#deliveryOf(entry)))
  }

  /**
   * Makes all acknowledgements durable. An entry after an unacknowledged one has to wait for that one, and so does this
   * call; `signal` ends the wait, and `waitForEarlier: false` avoids it.
   * @throws {RingError} as {@link Consumer}; `RING_CLOSED` when the reader is closed meanwhile
   * @throws the signal's reason
   */
  async flush(options: FlushOptions = {}): Promise<void> {
    checkOptions('RingReader.flush', options, FLUSH_KINDS)
    const { signal, waitForEarlier = true } = options
    return waitForEarlier ? this.#acknowledger.flush(signal) : this.#acknowledger.flushPrefix()
  }

  /**
   * Reads the bytes of an entry again, as they are in the ring; undefined if the item has left the ring, overwritten or
   * acknowledged.
   * @throws as `receive`
   */
  async bytesOf({ position }: Pick<RingEntry<Out>, 'position'>): Promise<Uint8Array | undefined> {
    const from = this.#deliveries.fromOf(position)
    if (from === undefined) return undefined
    const { signal } = this.#closing
    const [popped] = await this.consumer.popMany({ from, maxItems: 1, signal })
    return popped?.position === position ? popped.item : undefined
  }

  /** The entries delivered and still in the ring. */
  get unacked(): Unacked {
    return this.#limit.unacked
  }

  /** True if nothing has happened on this side since the last search for an item there. */
  #isQuiet(at: Position): boolean {
    if (this.#closed !== undefined || this.#limit.wasFull || this.#deliveries.hasUnwritten)
      return false
    return this.#source.cursor === at
  }

  #reserve(by: Reserver): Reserved<Out> {
    this.#reservation.take(by)
    const position = (): Position => this.position
    return {
      consumer: this.consumer,
      get position() {
        return position()
      },
      receiveMany: (options) => this.#receiveMany(options),
      tryReceiveMany: (options) => this.#tryReceiveMany(options),
      ackAll: (entries) => this.ackAll(entries),
      bytesOf: (entry) => this.bytesOf(entry),
      flush: (options) => this.flush(options),
      rewind: () => this.#seek(this.#firstUnacked, {}),
      seek: async (to) => {
        this.#source.checkDelivered(to)
        await this.#seek(to, {})
      },
      release: () => this.#reservation.release(),
    }
  }

  #deliveryOf(entry: RingEntry<Out>): Delivery {
    const delivery =
      entry instanceof DeliveredEntry ? entry.deliveryOf(this.#acknowledger) : undefined
    if (delivery !== undefined) return delivery
    throw new TypeError('expected an entry that this reader delivered')
  }

  /** The position of the next item. */
  get position(): Position {
    return this.#source.cursor
  }

  /**
   * Goes back to the first unacknowledged entry. Acknowledged entries after it are not delivered again, unless the
   * options ask for it.
   */
  async rewind(options: SeekOptions = {}): Promise<void> {
    await this.seek(this.#firstUnacked, options)
  }

  /**
   * Continues after a position: back to a delivered one that is still in the ring; or past the damage at which
   * `receive` stopped, to `parsePosition(details.position)` of its error. Skipped damage counts as acknowledged.
   * Acknowledged entries after the position are not delivered again, unless the options ask for it.
   * @throws {TypeError} it is the text of a position
   * @throws {RangeError} no item was delivered up to there
   */
  async seek(position: Position, options: SeekOptions = {}): Promise<void> {
    checkOptions('RingReader.seek', options, SEEK_KINDS)
    this.#closing.signal.throwIfAborted()
    this.#source.checkDelivered(position)
    await this.#reservation.run(() => this.#seek(position, options))
  }

  /** Everything before it is acknowledged. */
  get #firstUnacked(): Position {
    const { finishedTo } = this.#deliveries
    const { position: own } = this.consumer
    return finishedTo > own ? finishedTo : own
  }

  async #seek(position: Position, options: SeekOptions): Promise<void> {
    await this.#reading.run(async () => {
      this.#source.goTo(position, options.acknowledgedToo === true)
      this.#acknowledger.notifyChanged()
    })
  }

  /** Reads the state: `suspended` once the producer has granted the suspend request. */
  state(): Promise<RingState> {
    return this.consumer.state()
  }

  /**
   * Requests the producer to pause, and waits until it does.
   * @throws the signal's reason: a request that was written remains
   */
  suspend(options: WaitingOptions = {}): Promise<void> {
    return this.#suspendOrResume('suspend', 'suspended', options)
  }

  /**
   * Requests the producer to continue, and waits until it does.
   * @throws as `suspend`
   */
  resume(options: WaitingOptions = {}): Promise<void> {
    return this.#suspendOrResume('resume', 'running', options)
  }

  /** Releases the role; pending calls reject with `RING_CLOSED`. Never fails; can be called again. */
  async close(): Promise<void> {
    const { name } = this.consumer.device
    const isFirst = this.#closed === undefined
    const message = `The reader of ${name} was closed`
    this.#closed ??= new RingError('RING_CLOSED', message, { device: name })
    this.#closing.abort(this.#closed)
    this.#waiter.wake()
    this.#waiter.close()
    await this.#acknowledger.close()
    await this.consumer.close()
    if (isFirst) publishReaderEvent(this.consumer, { event: 'closed' })
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #suspendOrResume(
    action: 'suspend' | 'resume',
    state: RingState,
    options: WaitingOptions,
  ): Promise<void> {
    const signal = signalOf(`RingReader.${action}`, options)
    const { awaitState } = stateAwaiting.value ?? (await stateAwaiting.load())
    const waiter = new Waiter(this.consumer.device, this.#clock, this.#waitOptions)
    await awaitState(this.consumer, action, state, waiter, signal)
  }
}
