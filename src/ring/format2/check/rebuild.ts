import type { VerifyOptions } from '../../report/finding.ts'
import type { BatchHeader } from '../disk/batch.ts'
import { cursorAt } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { beginEpoch, currentEpoch, type Epochs } from '../disk/epochs.ts'
import { type LogPosition, ORIGIN } from '../disk/log-position.ts'
import { type ConsumerSlot, maxEpochs, type ProducerSlot } from '../disk/slots.ts'
import { LogReader } from '../log/log-reader.ts'
import { replay } from '../log/replay.ts'
import { isBoundary, oldestBatch, scanHeaders } from '../log/scan.ts'

const TEXT = 'rebuilt by a repair'

/** A producer slot, as far as the log determines it. */
export interface RebuiltProducer {
  readonly slot: ProducerSlot
  /** The last batch, if it is incomplete. The log ends before it. */
  readonly torn?: BatchHeader
}

/**
 * Rebuilds a producer slot from the batches in the data area.
 * @param consumer the consumer's slots, as far as they are readable
 */
export async function rebuildProducer(
  disk: Disk,
  consumer: readonly ConsumerSlot[],
  options: VerifyOptions,
): Promise<RebuiltProducer> {
  const suspendAck = newestOf(consumer)?.suspend ?? false
  const rest = { generation: 1, reach: 0, suspendAck, commits: 0, fullPushes: 0, text: TEXT }
  const end = await findEnd(disk, options)
  if (end === undefined) {
    // Either nothing was ever pushed, or no batch is left.
    const { cursor, seen: epoch = 1 } = newestOf(consumer) ?? {}
    const committed = cursor?.logPosition ?? ORIGIN
    const epochs = [{ epoch: Math.max(1, epoch), start: committed, span: 0 }]
    return { slot: { ...rest, committed, epochs, truncatedTo: ORIGIN, time: 0 } }
  }
  const { epochs, from } = await findEpochs(disk, end, consumer, options)
  const { last } = end
  const reach = last.start.lsn + 1
  const { logPosition: committed } = await replay(disk, { committed: from, reach, epochs }, options)
  const oldest = disk.ring.overwrites
    ? await oldestBatch(disk, epochs, 0, committed, options)
    : undefined
  const slot = { ...rest, committed, epochs, truncatedTo: oldest ?? ORIGIN, time: last.time }
  const isTorn =
    last.start.lsn >= committed.lsn && !(await new LogReader(disk, options).isWhole(last))
  return isTorn ? { slot, torn: last } : { slot }
}

/** Rebuilds a consumer slot, with its cursor at the oldest batch. */
export async function rebuildConsumer(
  disk: Disk,
  producer: ProducerSlot,
  options: VerifyOptions,
): Promise<ConsumerSlot> {
  const { epochs, truncatedTo, suspendAck, time } = producer
  const { logPosition: tail } = await replay(disk, producer, options)
  const start = (await oldestBatch(disk, epochs, truncatedTo.lsn, tail, options)) ?? tail
  return {
    generation: 1,
    cursor: cursorAt(start),
    seen: currentEpoch(epochs).epoch,
    suspend: suspendAck,
    damagedItems: 0,
    missedItems: 0,
    time,
    text: TEXT,
  }
}

function newestOf(slots: readonly ConsumerSlot[]): ConsumerSlot | undefined {
  return slots.toSorted((one, other) => one.generation - other.generation).at(-1)
}

/** The newest epoch that has a batch, and its end. */
interface End {
  readonly last: BatchHeader
  /** Items before this one are committed, according to complete batches; undefined if none shows it. */
  readonly committedTo: number | undefined
}

async function findEnd(disk: Disk, options: VerifyOptions): Promise<End | undefined> {
  let last: BatchHeader | undefined
  let committedTo: number | undefined
  for await (const header of scanHeaders(disk, options)) {
    if (last === undefined || header.epoch > last.epoch) {
      last = header
      committedTo = undefined
    } else if (header.epoch === last.epoch) {
      const [before, after] = header.start.lsn > last.start.lsn ? [last, header] : [header, last]
      last = after
      // A batch is complete if another batch of its epoch follows.
      committedTo = Math.max(committedTo ?? 0, before.committedTo)
    }
  }
  if (last === undefined) return undefined
  if (await new LogReader(disk, options).isWhole(last))
    committedTo = Math.max(committedTo ?? 0, last.committedTo)
  return { last, committedTo }
}

/** Finds the epochs of the batches before the end, and a log position near it before which everything is committed. */
async function findEpochs(
  disk: Disk,
  { last, committedTo = last.start.seq }: End,
  consumer: readonly ConsumerSlot[],
  options: VerifyOptions,
): Promise<{ readonly epochs: Epochs; readonly from: LogPosition }> {
  const { blockSize } = disk.layout
  const starts = new Map<number, LogPosition>()
  let from = last.start
  let near: LogPosition | undefined
  for await (const header of scanHeaders(disk, options)) {
    const { epoch, start } = header
    const known = starts.get(epoch)
    if (isBoundary(header) && start.lsn < (known?.lsn ?? Number.POSITIVE_INFINITY)) {
      starts.set(epoch, start)
    }
    if (epoch !== last.epoch) continue
    if (start.lsn < from.lsn) from = start
    if (start.seq <= committedTo && start.lsn >= (near?.lsn ?? 0)) near = start
  }
  const current = starts.get(last.epoch) ?? from
  starts.set(last.epoch, current)
  const seen = consumer.map((slot) => slot.seen)
  const keepFrom = Math.min(...consumer.map((slot) => slot.cursor.logPosition.lsn), current.lsn)
  const epochs = inOrder(starts).reduce<Epochs>(
    (list, [epoch, start]) =>
      beginEpoch(
        list,
        epoch,
        start,
        seen.length > 0 ? keepFrom : 0,
        seen.length > 0 ? seen : [0],
        maxEpochs(blockSize),
      ),
    [],
  )
  return { epochs, from: near !== undefined && near.lsn > current.lsn ? near : current }
}

/** Epochs from oldest to newest. Each ends where the next begins; its later batches were dropped. */
function inOrder(
  starts: ReadonlyMap<number, LogPosition>,
): readonly (readonly [number, LogPosition])[] {
  let next = Number.POSITIVE_INFINITY
  return [...starts]
    .sort(([one], [other]) => other - one)
    .filter(([, { lsn }]) => {
      const begins = lsn < next
      next = Math.min(next, lsn)
      return begins
    })
    .reverse()
}
