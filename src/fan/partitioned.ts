import { crc32c } from '../checksum/crc32c.ts'
import { checkItems } from '../codec/codec.ts'
import type { Position } from '../position.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import type { Closed } from '../ring/types.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'
import { checkList, checkWriter } from './arguments.ts'
import { JointPushes, type PushPart } from './joint-pushes.ts'

/** A key of items; a number and its digits as a string are the same key. */
export type PartitionKey = string | number | bigint

/** Which partition an item went to, and the position after it there. */
export interface PartitionedPosition {
  /** The index of the ring, from 0. */
  readonly partition: number
  /** The position in that ring. */
  readonly position: Position
}

const encoder = new TextEncoder()

/**
 * Which of some partitions a key belongs to, from 0: CRC-32C of its UTF-8, modulo their number. The same in every
 * version and on every machine.
 * @throws {TypeError} the key is no string, number or bigint
 * @throws {RangeError} `partitions` is no whole number from 1
 */
export function partitionOf(key: PartitionKey, partitions: number): number {
  if (!['string', 'number', 'bigint'].includes(typeof key)) {
    throw new TypeError(`keyOf: expected a string, a number or a bigint, found ${typeof key}`)
  }
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    throw new RangeError(`partitions must be a whole number from 1, not ${partitions}`)
  }
  return crc32c(encoder.encode(String(key))) % partitions
}

/**
 * Pushes each item into the ring of its key. The writers belong to the caller: closing the {@link PartitionedWriter}
 * leaves them open.
 * @param keyOf the key of an item; called once for each push
 * @throws {TypeError} there is no writer; something is no `RingWriter`, or the same one twice; `keyOf` is no function
 * @throws {RingError} `RING_CLOSED`: a writer was closed
 */
export function partitioned<In>(
  writers: Iterable<RingWriter<In>>,
  keyOf: (item: In) => PartitionKey,
): PartitionedWriter<In> {
  return new PartitionedWriter<In>(writers, keyOf)
}

/**
 * Pushes each item into the ring that its key belongs to: items of one key stay in their order, and other keys do not
 * wait for its consumer. The order and number of the writers decide where a key belongs: change them only with {@link
 * repartition}, or when the rings are empty. The writers belong to the caller: `close` leaves them open.
 */
export class PartitionedWriter<In> implements AsyncDisposable {
  /** The partitions, by their number. */
  readonly writers: readonly RingWriter<In>[]
  readonly #keyOf: (item: In) => PartitionKey
  readonly #pushes = new JointPushes<In>('partitioned writer')

  /** @internal */
  constructor(writers: Iterable<RingWriter<In>>, keyOf: (item: In) => PartitionKey) {
    checkList('partitioned', 'RingWriters', writers)
    const all = [...writers]
    if (all.length === 0) throw new TypeError('partitioned takes at least one RingWriter')
    for (const writer of all) checkWriter('partitioned', writer)
    if (new Set(all).size < all.length) throw new TypeError('each partition is a ring of its own')
    if (typeof keyOf !== 'function') throw new TypeError('partitioned: keyOf is a function')
    this.writers = all
    this.#keyOf = keyOf
  }

  /** The writer of the ring that an item belongs to. */
  writerOf(item: In): RingWriter<In> {
    return this.#at(this.#partitionOf(item))
  }

  /**
   * Pushes an item as it is at the call, into its partition.
   * @throws as `RingWriter.push`; what `keyOf` throws
   * @throws {TypeError} `keyOf` returned no string, number or bigint
   * @throws {RingError} `RING_CLOSED`: this was closed
   */
  async push(item: In, options: WaitingOptions = {}): Promise<PartitionedPosition> {
    const signal = signalOf('PartitionedWriter.push', options)
    const partition = this.#partitionOf(item)
    const writer = this.#at(partition)
    const push: PushPart<In>['push'] = (waiting) => writer.push(item, waiting)
    const positions = await this.#pushes.push([{ writer, push }], signal)
    return { partition, position: positionIn(positions, writer) }
  }

  /**
   * Pushes many items, those of a partition in as few commits as possible. It is not one transaction: if it rejects,
   * each partition may have some of its items, from the front.
   * @returns the position after the last item of each partition that got any, by the number of the partition
   * @throws {PartialPushError} some partitions have all of their items and others do not: as soon as one fails, the
   *   push is withdrawn from those where it waits
   * @throws as `push`, if no partition has all of its items; if `keyOf` fails for one, nothing is pushed
   */
  async pushMany(
    items: readonly In[],
    options: WaitingOptions = {},
  ): Promise<readonly PartitionedPosition[]> {
    const signal = signalOf('PartitionedWriter.pushMany', options)
    checkItems(items)
    const shares = new Map<number, In[]>()
    for (const item of items) {
      const partition = this.#partitionOf(item)
      const share = shares.get(partition)
      if (share === undefined) shares.set(partition, [item])
      else share.push(item)
    }
    const partitions = [...shares.keys()].sort((one, other) => one - other)
    const parts = partitions.map((partition): PushPart<In> => {
      const writer = this.#at(partition)
      return { writer, push: (waiting) => writer.pushMany(shares.get(partition) ?? [], waiting) }
    })
    const positions = await this.#pushes.push(parts, signal)
    return partitions.map((partition) => ({
      partition,
      position: positionIn(positions, this.#at(partition)),
    }))
  }

  /**
   * Closes it, and leaves the writers open. Waiting pushes are withdrawn and reject with `RING_CLOSED`; a commit under
   * way ends first. Never fails; can be called again.
   */
  close(): Promise<Closed> {
    return this.#pushes.close()
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #partitionOf(item: In): number {
    return partitionOf(this.#keyOf(item), this.writers.length)
  }

  #at(partition: number): RingWriter<In> {
    const writer = this.writers[partition]
    if (writer === undefined) throw new RangeError(`there is no partition ${partition}`)
    return writer
  }
}

function positionIn<In>(
  positions: ReadonlyMap<RingWriter<In>, Position>,
  writer: RingWriter<In>,
): Position {
  const position = positions.get(writer)
  if (position === undefined) throw new Error('a push without an error has a position')
  return position
}
