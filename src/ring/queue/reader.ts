import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { type Codec, decodeItem } from '../../codec/codec.ts'
import { bytes } from '../../codec/index.ts'
import { isCodecError, RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { untilAborted } from '../../util/abort.ts'
import { Serial } from '../../util/serial.ts'
import { Consumer } from '../attach.ts'
import { formatPosition } from '../position-text.ts'
import { popBounds } from '../single-item.ts'
import type { ConsumerOptions, PopManyOptions, PoppedItem, RingState } from '../types.ts'
import { type LazyAckOptions, LazyAdvance } from './acknowledgements.ts'
import { Waiter, type WaitOptions } from './poll.ts'
import type { WaitingOptions } from './writer.ts'

/** How a {@link RingReader} is opened. */
export interface ReaderOptions<Out> extends ConsumerOptions, WaitOptions {
  /** Turns bytes into items. Default: items are bytes. */
  readonly codec?: Codec<Out, never>
  /**
   * Has `advance` resolve at once, and one write give back what many calls advanced past; `true` for the defaults. After a
   * crash, what was not written yet is delivered again. Default: each `advance` resolves when it is durable.
   */
  readonly lazyAck?: boolean | LazyAckOptions
}

/** An item that was read, and stays in the ring until it is advanced past. */
export interface Entry<Out> {
  readonly item: Out
  /** The position after the item. */
  readonly position: Position
  /**
   * How many items since the entry before were overwritten, in a ring that overwrites the oldest; absent if none were.
   */
  readonly missed?: number
  /** Gives the item and all before it back, durably unless `lazyAck` says otherwise. */
  advance(): Promise<void>
}

/** What `receiveMany` takes. */
export interface ReceiveManyOptions
  extends WaitingOptions,
    Pick<PopManyOptions, 'maxItems' | 'maxBytes'> {}

/** Calls of `advance` that share one write. */
interface Advance {
  to: Position
  done: Promise<void>
}

/**
 * The end that pops, with waiting. It reads on from item to item by itself, but gives space back only when told
 * to: what was not advanced past is delivered again by the next reader.
 */
export class RingReader<Out = Uint8Array> implements AsyncDisposable {
  /** The primitives beneath. Using them beside the reader is safe. */
  readonly consumer: Consumer
  readonly #codec: Codec<Out, never>
  readonly #clock: Clock
  readonly #waiter: Waiter
  readonly #waitOptions: WaitOptions
  readonly #reading = new Serial()
  /** Those that wait take turns, and hold nobody up who does not. */
  readonly #turns = new Serial()
  readonly #advancing = new Serial()
  readonly #closing = new AbortController()
  #cursor: Position
  /** The last position that was ever delivered. */
  #deliveredTo: Position
  #popped: PoppedItem[] = []
  /** Items that were overwritten since the last entry, before one that did not decode. */
  #missed = 0
  /** The advance that waits for its turn. */
  #advance: Advance | undefined
  readonly #lazy: LazyAdvance | undefined
  #closed: RingError | undefined

  private constructor(consumer: Consumer, options: ReaderOptions<Out>) {
    this.consumer = consumer
    this.#codec = options.codec ?? (bytes as Codec<Out & Uint8Array, never>)
    this.#clock = options.clock ?? systemClock
    this.#waitOptions = options
    this.#waiter = new Waiter(consumer.device, this.#clock, options)
    this.#cursor = consumer.position
    this.#deliveredTo = consumer.position
    const { lazyAck = false } = options
    if (lazyAck === false) return
    const when = lazyAck === true ? {} : lazyAck
    const { signal } = this.#closing
    this.#lazy = new LazyAdvance(when, this.#clock, signal, (to) => this.#advanceTo(to))
  }

  /**
   * Takes the consumer's role.
   * @throws {RangeError} an option cannot be
   * @throws as `Consumer.attach`
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
    const consumer = await Consumer.attach(device, options)
    try {
      return new RingReader<Out>(consumer, options)
    } catch (error) {
      await consumer.close()
      throw error
    }
  }

  /**
   * The next item, as soon as there is one.
   * @throws {CodecError} `CODEC_DECODE`, with the item's position and bytes; the next call goes on behind it
   * @throws {RingError} as {@link Consumer} does; `RING_CLOSED` when the reader is closed meanwhile
   * @throws the signal's reason
   */
  async receive(options: WaitingOptions = {}): Promise<Entry<Out>> {
    const [entry] = await this.receiveMany({ ...options, maxItems: 1 })
    if (entry === undefined) throw new Error('receiveMany answers at least one item')
    return entry
  }

  /**
   * The next item, if there is one now.
   * @throws as `next`
   */
  async tryReceive(): Promise<Entry<Out> | undefined> {
    if (this.#closed !== undefined) throw this.#closed
    const [entry] = await this.#reading.run(() => this.#take({ maxItems: 1 }))
    return entry
  }

  /**
   * The next items, at least one.
   * @throws as `next`; items before one that does not decode are answered first
   */
  async receiveMany(options: ReceiveManyOptions = {}): Promise<readonly Entry<Out>[]> {
    const { signal } = options
    popBounds(options)
    return this.#turns.run(async () => {
      for (;;) {
        if (this.#closed !== undefined) throw this.#closed
        const entries = await this.#reading.run(() => this.#take(options))
        if (entries.length > 0) {
          this.#waiter.reset()
          return entries
        }
        await this.#waiter.pause(signal)
      }
    }, signal)
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<Entry<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * Reads on and on, waiting for what is not there yet; never advances by itself. Ends, without an error, when the
   * signal is aborted or the reader is closed. After any other error another loop goes on where this one ended.
   * @throws as `next`
   */
  async *entries(options: WaitingOptions = {}): AsyncGenerator<Entry<Out>, void, undefined> {
    const stopped = (): boolean => options.signal?.aborted === true || this.#closed !== undefined
    for (;;) {
      if (stopped()) return
      let entry: Entry<Out>
      try {
        entry = await this.receive(options)
      } catch (error) {
        if (stopped()) return
        throw error
      }
      yield entry
    }
  }

  /**
   * Gives everything before `position` back, durably. Calls that wait at the same time share one write. With `lazyAck` it
   * resolves at once, mostly.
   * @throws {RangeError} nothing was delivered up to there
   * @throws {RingError} as {@link Consumer} does
   */
  async advance(position: Position): Promise<void> {
    this.#checkDelivered(position)
    if (this.#lazy === undefined || this.#closed !== undefined) return this.#advanceTo(position)
    return this.#lazy.add(position)
  }

  /**
   * Resolves when all that was advanced past is given back, durably.
   * @throws {RingError} as {@link Consumer} does, with `lazyAck`
   */
  flush(): Promise<void> {
    return this.#lazy?.flush() ?? this.#advancing.run(async () => undefined)
  }

  #advanceTo(position: Position): Promise<void> {
    this.#advance ??= this.#startAdvance(position)
    if (position > this.#advance.to) this.#advance.to = position
    return this.#advance.done
  }

  /** Begins an advance, which others may join until its turn comes. */
  #startAdvance(to: Position): Advance {
    const advance: Advance = { to, done: Promise.resolve() }
    advance.done = this.#advancing.run(() => {
      this.#advance = undefined
      return this.consumer.advance(advance.to)
    })
    return advance
  }

  /** Where the next item is read. */
  get position(): Position {
    return this.#cursor
  }

  /** Goes back to the first item that was not advanced past. */
  async rewind(): Promise<void> {
    await this.#lazy?.flush()
    await this.seek(this.consumer.position)
  }

  /**
   * Goes back to a position that was delivered and not advanced past.
   * @throws {RangeError} nothing was delivered up to there
   */
  async seek(position: Position): Promise<void> {
    this.#checkDelivered(position)
    await this.#reading.run(async () => {
      this.#popped = []
      this.#missed = 0
      this.#cursor = position
    })
  }

  /** Whether the producer acknowledged being suspended. */
  state(): Promise<RingState> {
    return this.consumer.state()
  }

  /**
   * Asks the producer to pause, and waits until it does.
   * @throws the signal's reason: the wish stays on the device if it was written
   */
  suspend(options: WaitingOptions = {}): Promise<void> {
    return this.#suspendOrResume('suspend', 'suspended', options)
  }

  /**
   * Asks the producer to go on, and waits until it does.
   * @throws as `suspend`
   */
  resume(options: WaitingOptions = {}): Promise<void> {
    return this.#suspendOrResume('resume', 'running', options)
  }

  /** Gives the role back; what waits is rejected with `RING_CLOSED`. Never fails; can be called again. */
  async close(): Promise<void> {
    const { device } = this.consumer
    this.#closed ??= new RingError('RING_CLOSED', 'The reader was closed', {
      device: device.name,
    })
    this.#closing.abort(this.#closed)
    this.#waiter.wake()
    this.#waiter.close()
    // What cannot be given back now is delivered again.
    await this.#lazy?.flush().catch(() => undefined)
    await this.consumer.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkDelivered(position: Position): void {
    if (position <= this.#deliveredTo || position <= this.consumer.position) return
    throw new RangeError(
      `position ${this.#show(position)} lies beyond the last item delivered, which ends at ${this.#show(this.#deliveredTo)}`,
    )
  }

  #show(position: Position): string {
    return formatPosition(position, this.consumer.format)
  }

  /** Takes decoded items from what was popped, popping more if there is nothing. */
  async #take(options: ReceiveManyOptions): Promise<readonly Entry<Out>[]> {
    const { maxItems = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = options
    // What was advanced past meanwhile, by whomever, is not read again.
    const { position: own } = this.consumer
    if (this.#cursor < own) {
      this.#popped = this.#popped.filter(({ position }) => position > own)
      this.#cursor = own
    }
    if (this.#popped.length === 0) {
      // Also `close` ends what looks behind damage.
      const { signal: closing } = this.#closing
      const signal =
        options.signal === undefined ? closing : AbortSignal.any([options.signal, closing])
      const popped = await this.consumer.popMany({ from: this.#cursor, signal })
      this.#popped = [...popped].reverse()
    }
    const entries: Entry<Out>[] = []
    for (let taken = 0; entries.length < maxItems && taken < maxBytes; ) {
      const popped = this.#popped.at(-1)
      if (popped === undefined) break
      const { item: stored, position, missed = 0 } = popped
      try {
        const decoded = decodeItem(this.#codec, stored, position, this.consumer.format)
        const item = await untilAborted(decoded, options.signal, this.#closing.signal)
        const entry = { item, position, advance: () => this.advance(position) }
        const told = this.#missed + missed
        entries.push(told > 0 ? { ...entry, missed: told } : entry)
        this.#missed = 0
      } catch (error) {
        if (entries.length > 0) break
        if (isCodecError(error)) {
          this.#missed += missed
          this.#passed(position)
        }
        throw error
      }
      this.#passed(position)
      taken += stored.length
    }
    return entries
  }

  #passed(position: Position): void {
    this.#popped.pop()
    this.#cursor = position
    if (position > this.#deliveredTo) this.#deliveredTo = position
  }

  async #suspendOrResume(
    action: 'suspend' | 'resume',
    state: RingState,
    options: WaitingOptions,
  ): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    const waiter = new Waiter(this.consumer.device, this.#clock, this.#waitOptions)
    try {
      while ((await this.consumer[action]()).status === 'retry') await waiter.pause(signal)
      while ((await this.consumer.state()) !== state) await waiter.pause(signal)
    } finally {
      waiter.close()
    }
  }
}
