import { checkDevice } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { bytes } from '../../codec/bytes.ts'
import { type Codec, checkItems, encodeItem, encodeItems } from '../../codec/codec.ts'
import { isRingError, RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { untilAborted } from '../../util/abort.ts'
import { NO_OPTIONS, signalOf, type WaitingOptions } from '../../util/waiting.ts'
import { attachProducer, checkLease, type Producer } from '../access/attach.ts'
import type { QueueProducer } from '../format.ts'
import { UNNAMED } from '../names.ts'
import { totalBytes } from '../shared/item-limits.ts'
import { allOwn, ItemMemory, type OwnItems, ownItems } from '../shared/own-items.ts'
import type { Closed, PushManyResult } from '../types.ts'
import { createMissing } from './create-missing.ts'
import { EncodingPushes } from './encoding-pushes.ts'
import { publishWriterEvent, type WriterEvent, writerEvents } from './events.ts'
import { Waiter } from './poll.ts'
import { type CommitDone, PushQueue } from './push-queue.ts'
import {
  checkWriterOptions,
  type TryPushManyResult,
  type TryPushResult,
  type WriterOptions,
} from './writer-options.ts'

/** The default of `idleRefreshIntervalMs`. */
const IDLE_REFRESH_MS = 200
/** The default of `maxQueuedItems`. */
const MAX_QUEUED_ITEMS = 65_536
/** The default of `maxQueuedBytes`. */
const MAX_QUEUED_BYTES = 256 << 20

/** True if `close` was called, for other parts of the package. */
let isClosed: <In>(writer: RingWriter<In>) => boolean

export { isClosed }

/** No caller waits for the commit any longer. */
interface Abandoned {
  readonly status: 'abandoned'
}

/**
 * The waiting end that pushes: an item is durable and visible when its `push` resolves. Items are committed in the
 * order of the calls, and pushes that wait at the same time share commits. While the ring is full or suspended, pushes
 * wait, up to `maxQueuedItems` and `maxQueuedBytes`; beyond, they are refused.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { text } from 'shared-block-ring/codec'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
 * await Promise.all(['these', 'share', 'commits'].map((item) => writer.push(item)))
 * console.log((await writer.tryPush('this does not wait')).status) // ok
 * ```
 */
export class RingWriter<In = Uint8Array> implements AsyncDisposable {
  /** The underlying primitives. Using them beside the writer is safe; `push` there without `advance` is not. */
  readonly producer: Producer
  readonly #codec: Codec<unknown, In>
  readonly #waiter: Waiter
  readonly #queue: PushQueue
  readonly #memory: ItemMemory
  readonly #encoding: EncodingPushes
  #pumping: Promise<void> | undefined
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #onBlocked: () => void
  #blocked = false
  #pushedLately = false
  #closed: RingError | undefined
  #closingDone: Promise<Closed> | undefined
  /** Queued pushes that closing rejected. */
  #rejected = 0

  static {
    isClosed = (writer) => writer.#closed !== undefined
  }

  private constructor(producer: QueueProducer, waiter: Waiter, options: WriterOptions<In>) {
    const { maxQueuedItems = MAX_QUEUED_ITEMS, maxQueuedBytes = MAX_QUEUED_BYTES } = options
    this.producer = producer
    this.#waiter = waiter
    this.#clock = options.clock ?? systemClock
    this.#codec = options.codec ?? (bytes as Codec<unknown, never>)
    this.#memory = new ItemMemory({
      allocate: (bytes) => producer.device.allocate(bytes),
      roomFor: producer.roomFor,
    })
    this.#queue = new PushQueue(
      { items: maxQueuedItems, bytes: maxQueuedBytes },
      producer.device.name,
      this.#memory,
      {
        clock: this.#clock,
        onOverloaded: (items) => publishWriterEvent(producer, { event: 'overloaded', items }),
      },
    )
    this.#encoding = new EncodingPushes(this.#closing.signal, (items, signal) =>
      this.#enqueue(items, signal),
    )
    this.#onBlocked = options.onBlocked ?? (() => undefined)
    const { idleRefreshIntervalMs = IDLE_REFRESH_MS } = options
    if (idleRefreshIntervalMs !== Number.POSITIVE_INFINITY)
      void this.#answerSuspendWhileIdle(idleRefreshIntervalMs)
    publishWriterEvent(producer, { event: 'opened' })
  }

  /**
   * Takes the producer's role, waiting while the ring is suspended.
   * @throws {TypeError | RangeError} an option is out of range; then nothing was sent to the device
   * @throws as `Producer.attach` and, with `createIfMissing`, `Producer.create`; the signal's reason
   */
  static open(
    device: BlockDevice,
    options?: WriterOptions<Uint8Array> & { readonly codec?: never },
  ): Promise<RingWriter<Uint8Array>>
  static open<In>(
    device: BlockDevice,
    options: WriterOptions<In> & { readonly codec: Codec<unknown, In> },
  ): Promise<RingWriter<In>>
  static async open<In>(
    device: BlockDevice,
    options: WriterOptions<In> = {},
  ): Promise<RingWriter<In>> {
    checkDevice('RingWriter.open', device)
    checkWriterOptions('RingWriter.open', options)
    const { lease, signal } = options
    if (lease !== undefined) await checkLease(lease)
    signal?.throwIfAborted()
    await createMissing(device, options.createIfMissing ?? false)
    const { clock = systemClock, queue = UNNAMED, client = UNNAMED } = options
    const names = { device, queue, client }
    const waiter = new Waiter(device, clock, options, (by) => {
      publishWriterEvent(names, { event: 'woken', by })
    })
    try {
      for (;;) {
        const attached = await attachProducer(device, options)
        if (attached.status === 'attached') {
          waiter.reset()
          waiter.listen(attached.producer.hints)
          return new RingWriter<In>(attached.producer, waiter, options)
        }
        publishWriterEvent(names, { event: 'blocked', reason: 'suspended' })
        options.onBlocked?.()
        await waiter.pause(signal)
      }
    } catch (error) {
      waiter.close()
      throw error
    }
  }

  /** True if the ring is full or suspended, so that pushes wait. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Bytes of encoded items that are queued. */
  get queuedBytes(): number {
    return this.#queue.bytes
  }

  /** Makes the writer refresh immediately, because there may be room now. */
  wake(): void {
    this.#waiter.wake()
  }

  /**
   * Pushes an item as it is at the call. Waits for room, and for the end of a pause.
   * @returns the position after the item
   * @throws {CodecError} `CODEC_ENCODE`
   * @throws {RingError} `RING_ITEM_TOO_LARGE`, `RING_OVERLOADED`, `RING_CLOSED`, and as {@link Producer}
   * @throws {BlockError} the device failed: the item may be in the ring, and pushing it again may duplicate it
   * @throws the signal's reason: then the item was not pushed
   */
  push(item: In, options: WaitingOptions = NO_OPTIONS): Promise<Position> {
    // Not async: one more promise for each push takes longer than its share of a commit.
    try {
      const signal = signalOf('RingWriter.push', options)
      signal?.throwIfAborted()
      return this.#admit(encodeItem(this.#codec, item, this.#keep), signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Pushes many items in as few commits as possible. This is no transaction: items that have room become visible while
   * the others wait, and if it rejects, some leading items may be in the ring.
   * @returns the position after the last item
   * @throws as `push`
   */
  pushMany(items: readonly In[], options: WaitingOptions = NO_OPTIONS): Promise<Position> {
    try {
      const signal = signalOf('RingWriter.pushMany', options)
      signal?.throwIfAborted()
      const encoded = this.#encode(items)
      if (!(encoded instanceof Promise) && !this.#encoding.any) {
        return this.#enqueue(encoded, signal)
      }
      return this.#encoding.push(Promise.resolve(encoded), signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Pushes an encoded item, as `push` does: one of another ring, or one that a reader of this ring could not handle.
   * @throws as `push`
   */
  pushEncoded(bytes: Uint8Array, options: WaitingOptions = NO_OPTIONS): Promise<Position> {
    try {
      const signal = signalOf('RingWriter.pushEncoded', options)
      signal?.throwIfAborted()
      if (!(bytes instanceof Uint8Array)) throw new TypeError('pushEncoded takes a Uint8Array')
      return this.#admit(this.#keep(bytes), signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Pushes an item if there is room now and no other push is queued.
   * @throws as `push`
   */
  async tryPush(item: In): Promise<TryPushResult> {
    const result = await this.tryPushMany([item])
    return result.status === 'ok' ? { status: 'ok', position: result.position } : result
  }

  /**
   * Pushes as many leading items as have room now, in one commit, if no other push is queued.
   * @throws as `push`
   */
  async tryPushMany(items: readonly In[]): Promise<TryPushManyResult> {
    const encoding = this.#encode(items)
    // A codec may never finish.
    const encoded = await (encoding instanceof Promise
      ? untilAborted(encoding, this.#closing.signal)
      : encoding)
    this.#checkOpen()
    if (!this.#queue.empty || this.#encoding.any) return { status: 'full' }
    const startedAt = this.#startedAt()
    const result = await this.producer.append(encoded)
    if (startedAt !== undefined) {
      const durationMs = this.#clock.now() - startedAt
      const count = result.status === 'ok' ? result.pushed : 0
      const bytes = totalBytes(encoded.slice(0, count))
      this.#publishCommit(result, durationMs, {
        bytes,
        pushes: [{ count: 1, waitedMs: durationMs }],
      })
    }
    // Written or refused. After a failed write the device may still read from it.
    this.#memory.release(encoded)
    return result.status === 'retry' ? { status: 'full' } : result
  }

  /**
   * Closes the writer. A commit in progress ends first; queued pushes reject with `RING_CLOSED`. The device stays open.
   * Never fails; can be called again.
   */
  close(): Promise<Closed> {
    this.#closingDone ??= this.#close()
    return this.#closingDone
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<Closed> {
    const { name } = this.producer.device
    const message = `The writer of ${name} was closed`
    const closed = new RingError('RING_CLOSED', message, { device: name })
    this.#closed = closed
    this.#closing.abort(closed)
    this.#queue.abandon(closed)
    this.#waiter.wake()
    await this.#pumping
    const rejected = this.#rejected + (await this.#encoding.rejected())
    this.#waiter.close()
    await this.producer.close()
    publishWriterEvent(this.producer, { event: 'closed', rejected })
    return { rejected }
  }

  /** Queues one item: immediately, unless it or an earlier one is still being encoded. */
  #admit(
    encoded: Uint8Array | Promise<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<Position> {
    if (encoded instanceof Promise || this.#encoding.any) {
      return this.#encoding.push(allOwn([encoded]), signal)
    }
    this.#checkOpen()
    return this.#pumped(this.#queue.addOne(encoded, signal))
  }

  #enqueue(items: OwnItems, signal: AbortSignal | undefined): Promise<Position> {
    this.#checkOpen()
    return this.#pumped(this.#queue.add(items, signal))
  }

  #encode(items: readonly In[]): OwnItems | Promise<OwnItems> {
    checkItems(items)
    const own = ownItems()
    const keep = this.#memory.keeper(own, items.length, this.producer)
    return encodeItems(this.#codec, items, keep, own)
  }

  readonly #keep = (item: Uint8Array): Uint8Array => this.#memory.keep(item, this.producer)

  #checkOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  #pumped<T>(pushed: T): T {
    this.#pumping ??= this.#pump()
    return pushed
  }

  async #pause(): Promise<void> {
    this.#blocked = true
    try {
      this.#onBlocked()
      await this.#waiter.pause()
    } finally {
      this.#blocked = false
    }
  }

  /** Grants a suspend request while nothing is pushed. A push refreshes by itself. */
  async #answerSuspendWhileIdle(intervalMs: number): Promise<void> {
    for (let going = true; going; ) {
      try {
        await this.#clock.sleep(intervalMs, this.#closing.signal, { background: true })
        if (!this.#pushedLately) await this.producer.state()
        this.#pushedLately = false
      } catch (error) {
        // The writer was closed; or the handle ended, and the next push throws. A failed read may succeed the next
        // time.
        const ended = isRingError(error) && error.code !== 'RING_CORRUPT'
        going = this.#closed === undefined && !ended
      }
    }
  }

  async #commit(items: OwnItems, abandoned: AbortSignal): Promise<PushManyResult | Abandoned> {
    try {
      return await this.producer.append(items, { signal: abandoned })
    } catch (error) {
      if (abandoned.aborted && error === abandoned.reason) return { status: 'abandoned' }
      throw error
    }
  }

  /** The start time of a commit; undefined without subscribers. */
  #startedAt(): number | undefined {
    return writerEvents.hasSubscribers ? this.#clock.now() : undefined
  }

  /** Publishes a commit, or the reason why there was none. */
  #publishCommit(
    result: PushManyResult | Abandoned,
    durationMs: number,
    { bytes, pushes }: CommitDone,
  ): void {
    if (result.status === 'abandoned') return
    if (result.status !== 'ok') {
      const reason = result.status === 'retry' ? 'full' : 'suspended'
      publishWriterEvent(this.producer, { event: 'blocked', reason })
      return
    }
    const { pushed, position } = result
    const { device, queue, client } = this.producer
    const event: WriterEvent = {
      device: device.name,
      queue,
      client,
      event: 'committed',
      items: pushed,
      bytes,
      position,
      durationMs,
      pushes,
      queuedBytes: this.#queue.bytes,
    }
    writerEvents.publish(event)
  }

  /** Commits queued pushes until there are none. */
  async #pump(): Promise<void> {
    // Pushes called in the same tick share the first commit too.
    await Promise.resolve()
    try {
      while (!this.#queue.empty) {
        this.#checkOpen()
        this.#pushedLately = true
        const items = this.#queue.next()
        const startedAt = this.#startedAt()
        const result = await this.#commit(items, this.#queue.abandoned)
        const durationMs = startedAt === undefined ? undefined : this.#clock.now() - startedAt
        const pushed = result.status === 'ok' ? result : undefined
        const done = this.#queue.committed(pushed, this.producer.position)
        if (durationMs !== undefined) this.#publishCommit(result, durationMs, done)
        if (result.status === 'ok') this.#waiter.reset()
        else if (result.status !== 'abandoned' && !this.#queue.empty) await this.#pause()
      }
    } catch (error) {
      const rejected = this.#queue.rejectAll(error)
      if (error === this.#closed) this.#rejected = rejected
      if (this.#closed === undefined) publishWriterEvent(this.producer, { event: 'failed', error })
    } finally {
      this.#pumping = undefined
    }
  }
}
