import type { BlockDevice } from '../../block/device.ts'
import { asPosition, type Position } from '../../position.ts'
import { foldAll, popBounds, popOne, RequestDesk } from '../single-item.ts'
import type {
  Consumer,
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
): Promise<Consumer> {
  const desk = new RequestDesk()
  const onRequest = options.answerRequests === false ? undefined : desk.answer
  const attachment = await attach(device, CONSUMER, options, onRequest)
  const consumer = new Format1Consumer(attachment)
  desk.consumer = consumer
  return consumer
}

class Format1Consumer extends Format1Role implements Consumer {
  readonly #records: RecordReader
  /** A producer's offset that a flush has made durable: only up to there may our own go. */
  #durableUpTo: bigint

  constructor(attachment: Attachment) {
    super(attachment, CONSUMER, PRODUCER)
    this.#records = new RecordReader(this.device, this.control.layout, this.maxItemBytes)
    this.#durableUpTo = this.own.offset
  }

  get position(): Position {
    return asPosition(this.own.offset)
  }

  override get logOffset(): bigint {
    return this.own.offset
  }

  state(): Promise<RingState> {
    return this.run(async () => {
      await this.look()
      return this.other.flag ? 'suspended' : 'running'
    })
  }

  suspend(): Promise<SuspendResult> {
    return this.#wish(true)
  }

  resume(): Promise<SuspendResult> {
    return this.#wish(false)
  }

  pop(from?: Position): Promise<PopResult> {
    return popOne(this, from)
  }

  popMany(options: PopManyOptions = {}): Promise<readonly PoppedItem[]> {
    return this.run(async () => {
      const { maxItems, maxBytes } = popBounds(options)
      const from = options.from ?? this.own.offset
      if (from >= this.other.offset) await this.look()
      this.#checkFrom(from)
      return this.#records.readMany(from, this.other.offset, maxItems, maxBytes)
    })
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
      await this.lookBeforeWrite()
      if (position > this.other.offset || !isAligned(position)) {
        throw new RangeError(
          `position ${position} was not answered by a pop: the producer is at ${this.other.offset}`,
        )
      }
      await this.#makeDurable(position)
      await this.writeOwn({ offset: position, flag: this.own.flag })
    })
  }

  /**
   * What we popped may so far be only in a cache. If our pointer were on stable storage and the power then
   * failed, the producer's would come back behind it.
   */
  async #makeDurable(position: bigint): Promise<void> {
    if (position <= this.#durableUpTo) return
    const seen = this.other.offset
    await this.guard(this.device.flush())
    this.#durableUpTo = seen
  }

  #wish(suspend: boolean): Promise<SuspendResult> {
    return this.run(async () => {
      await this.look()
      if (this.own.flag !== this.other.flag) return { status: 'retry' }
      await this.writeOwn({ offset: this.own.offset, flag: suspend })
      return { status: 'ok' }
    })
  }

  #checkFrom(from: bigint): void {
    if (from < this.own.offset || from > this.other.offset || !isAligned(from)) {
      throw new RangeError(
        `position ${from} was given back already, or never answered by a pop: the consumer is at ` +
          `${this.own.offset}, the producer at ${this.other.offset}`,
      )
    }
  }
}
