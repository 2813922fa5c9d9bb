import type { BlockDevice } from '../../block/device.ts'
import { asPosition, type Position } from '../../position.ts'
import type { QueueConsumer } from '../format.ts'
import { RequestAnswerer } from '../shared/request-answerer.ts'
import { foldAll, popBounds, popOne } from '../shared/single-item.ts'
import type {
  ConsumerOptions,
  PopManyOptions,
  PoppedItem,
  PopResult,
  RingState,
  SuspendResult,
} from '../types.ts'
import { isAligned } from './layout.ts'
import { CONSUMER, PRODUCER } from './pointer.ts'
import { RecordReader } from './reader.ts'
import { type Attachment, attach, Format1Role } from './role.ts'

/**
 * Attaches the consumer.
 * @throws as `attach` in role.ts
 */
export async function attachConsumer(
  device: BlockDevice,
  options: ConsumerOptions,
): Promise<QueueConsumer> {
  const answerer = new RequestAnswerer()
  const onRequest = options.answerRequests === false ? undefined : answerer.answer
  const attachment = await attach(device, CONSUMER, options, onRequest)
  const consumer = new Format1Consumer(attachment)
  answerer.consumer = consumer
  return consumer
}

class Format1Consumer extends Format1Role implements QueueConsumer {
  readonly jumps = 0
  readonly #records: RecordReader
  /** The offset up to which items were popped. */
  #poppedTo: bigint

  constructor(attachment: Attachment) {
    super(attachment, CONSUMER, PRODUCER)
    this.#records = new RecordReader(this.device, this.control.layout, this.maxItemBytes)
    this.#poppedTo = this.own.offset
  }

  get position(): Position {
    return asPosition(this.own.offset)
  }

  override get logOffset(): bigint {
    return this.own.offset
  }

  state(): Promise<RingState> {
    return this.run(async () => {
      await this.refresh()
      return this.other.flag ? 'suspended' : 'running'
    })
  }

  suspend(): Promise<SuspendResult> {
    return this.#request(true)
  }

  resume(): Promise<SuspendResult> {
    return this.#request(false)
  }

  pop(from?: Position): Promise<PopResult> {
    return popOne(this, from)
  }

  popMany(options: PopManyOptions = {}): Promise<readonly PoppedItem[]> {
    return this.run(async () => {
      const { maxItems, maxBytes } = popBounds(options)
      const from = options.from ?? this.own.offset
      if (from >= this.other.offset || this.isForgotten) await this.refresh()
      this.#checkFrom(from)
      const popped = await this.#records.readMany(from, this.other.offset, maxItems, maxBytes)
      // Another producer may have started over at the offset to which this one's pointer went back.
      if (this.isForgotten && this.other.offset > this.durable) throw this.forgotten()
      const end = popped.at(-1)?.position ?? from
      if (end > this.#poppedTo) this.#poppedTo = end
      return popped
    })
  }

  /** Copies, because the memory that was read is reused for the next records. */
  popViews(options: PopManyOptions): Promise<readonly PoppedItem[]> {
    return this.popMany(options)
  }

  mayHaveItems(): Promise<boolean> {
    return Promise.resolve(true)
  }

  mayHaveItemsNow(): boolean {
    return true
  }

  isBefore(one: Position, other: Position): boolean {
    return one < other
  }

  isLost(): boolean {
    return false
  }

  startOf(_: Position, from: Position): Position {
    return from
  }

  fold<A>(
    f: (accumulator: A, item: Uint8Array, position: Position) => A | Promise<A>,
    initial: A,
    from?: Position,
  ): Promise<{ readonly position: Position; readonly accumulator: A }> {
    return foldAll(this, f, initial, from)
  }

  advance(position: Position): Promise<void> {
    return this.run(async () => {
      if (position <= this.own.offset) return
      await this.refreshBeforeWrite()
      if (position > this.other.offset || !isAligned(position)) {
        throw new RangeError(
          `position ${position} was not returned by a pop: the producer is at ${this.other.offset}`,
        )
      }
      // Items that were popped may be only in a volatile cache. If our pointer were durable and the power failed, the
      // producer's pointer would be behind it.
      if (position > this.durable) await this.flushSeen()
      await this.writeOwn({ offset: position, flag: this.own.flag })
    })
  }

  /** A producer may have started over where its pointer went back, with other items than those that were popped. */
  protected override checkForgotten(): void {
    if (this.#poppedTo > this.durable) throw this.forgotten()
    this.#records.forget()
  }

  #request(suspend: boolean): Promise<SuspendResult> {
    return this.run(async () => {
      await this.refresh()
      if (this.own.flag !== this.other.flag) return { status: 'retry' }
      await this.writeOwn({ offset: this.own.offset, flag: suspend })
      return { status: 'ok' }
    })
  }

  #checkFrom(from: bigint): void {
    if (from < this.own.offset || from > this.other.offset || !isAligned(from)) {
      throw new RangeError(
        `position ${from} was acknowledged already, or never returned by a pop: the consumer is at ` +
          `${this.own.offset}, the producer at ${this.other.offset}`,
      )
    }
  }
}
