import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import { bytes } from '../codec/bytes.ts'
import { type Codec, decodeItem } from '../codec/codec.ts'
import { attachProducer } from '../ring/access/attach.ts'
import { inspectRing } from '../ring/access/inspect.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import { RingReader } from '../ring/queue/reader.ts'
import { RingWriter } from '../ring/queue/writer.ts'
import { untilAborted } from '../util/abort.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { type PartitionKey, partitionOf } from './partitioned.ts'

/** What {@link repartition} moved. */
export interface Repartitioned {
  /** Items moved so far, or in all. */
  readonly items: number
}

/** Options of {@link repartition}. */
export interface RepartitionOptions<Out> {
  /** Decodes items for `keyOf`; they are moved as they are. Default: items are bytes. */
  readonly codec?: Codec<Out, never>
  /** Called repeatedly while a new ring is full, or suspended. */
  readonly onBlocked?: () => void
  /** Called after each batch, with the items moved so far. */
  readonly onProgress?: (moved: Repartitioned) => void
  /** Ends it between two batches; calling again continues there. */
  readonly signal?: AbortSignal
}

const KINDS: OptionKinds<RepartitionOptions<never>> = {
  codec: 'object',
  onBlocked: 'function',
  onProgress: 'function',
  signal: 'signal',
}

/**
 * Moves the unacknowledged items from the rings of one partitioning into those of another, each item to the partition
 * of its key: for another number of partitions. No other program may push or receive until it resolves: it takes both
 * roles of the old rings, and the producer's of the new ones, which have to exist. Items of a key keep their order, if
 * nothing was pushed to the new rings before. An item is acknowledged in the old ring once it is durable in the new
 * one: an interrupted call loses nothing, and called again it continues, moving its last batch twice at most.
 * @throws {TypeError} a ring is among both, or twice; there is no new ring
 * @throws {RingError} as `RingReader.receive` does at what is damaged or too large; and as `Consumer.attach` and
 *   `Producer.attach`
 * @throws {CodecError} an item does not decode; what `keyOf` throws: the item and those after it stay where they are
 * @throws the signal's reason
 */
export async function repartition<Out = Uint8Array>(
  from: Iterable<BlockDevice>,
  to: Iterable<BlockDevice>,
  keyOf: (item: Out) => PartitionKey,
  options: RepartitionOptions<Out> = {},
): Promise<Repartitioned> {
  checkOptions('repartition', options, KINDS)
  if (typeof keyOf !== 'function') throw new TypeError('repartition: keyOf is a function')
  const { codec = bytes as Codec<Out & Uint8Array, never>, onBlocked, onProgress, signal } = options
  const waiting = signal === undefined ? {} : { signal }
  const opening = onBlocked === undefined ? waiting : { ...waiting, onBlocked }
  const [old, fresh] = [[...from], [...to]]
  for (const ring of [...old, ...fresh]) checkDevice('repartition', ring)
  if (fresh.length === 0) throw new TypeError('repartition takes at least one new ring')
  await checkDistinct([...old, ...fresh], waiting)
  const opened: AsyncDisposable[] = []
  const open = async <T extends AsyncDisposable>(opening: Promise<T>): Promise<T> => {
    const made = await opening
    opened.push(made)
    return made
  }
  try {
    const writers: RingWriter[] = []
    for (const device of fresh) writers.push(await open(RingWriter.open(device, opening)))
    const sharesOf = async (
      entries: readonly RingEntry[],
      format: 1 | 2,
    ): Promise<readonly (readonly Uint8Array[])[]> => {
      const shares = writers.map((): Uint8Array[] => [])
      for (const { item, position } of entries) {
        // A codec may change the bytes that it gets.
        const decoded = decodeItem(codec, new Uint8Array(item), position, format)
        const key = keyOf(await untilAborted(decoded, signal))
        shares[partitionOf(key, shares.length)]?.push(item)
      }
      return shares
    }
    let items = 0
    for (const device of old) {
      // Keeps other producers out; a suspended ring has none anyway.
      const attached = await attachProducer(device, waiting)
      if (attached.status === 'attached') opened.push(attached.producer)
      const reader = await open(RingReader.open(device, waiting))
      for (;;) {
        const entries = await reader.tryReceiveMany(waiting)
        if (entries.length === 0) break
        const shares = await sharesOf(entries, reader.consumer.format)
        await Promise.all(writers.map((writer, at) => writer.pushMany(shares[at] ?? [], waiting)))
        await reader.ackAll(entries)
        items += entries.length
        onProgress?.({ items })
      }
    }
    return { items }
  } finally {
    for (const each of opened.reverse()) await each[Symbol.asyncDispose]()
  }
}

/**
 * In format 1 a ring has no identity of its own: two rings are known to be the same only if they are on the same device
 * object. Two devices of one storage exclude each other by their claims.
 * @throws {TypeError} two of the devices have one ring
 */
async function checkDistinct(
  devices: readonly BlockDevice[],
  waiting: { readonly signal?: AbortSignal },
): Promise<void> {
  const seen = new Map<unknown, BlockDevice>()
  for (const device of devices) {
    const { ring } = await inspectRing(device, waiting)
    const identity = ring?.uuid ?? device
    const other = seen.get(identity)
    if (other !== undefined) {
      throw new TypeError(
        `${other.name} and ${device.name} are one ring: items are moved to new rings only`,
      )
    }
    seen.set(identity, device)
  }
}
