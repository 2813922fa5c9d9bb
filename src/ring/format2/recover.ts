import type { BatchItems } from './batch-items.ts'
import type { Disk } from './disk.ts'
import type { Epochs } from './epochs.ts'
import type { Layout } from './layout.ts'
import { addBytes, type Mark } from './mark.ts'
import type { ProducerSlot } from './slots.ts'
import { Walker } from './walk.ts'

/** The producer publishes its place again after this many bytes: bounds what is read on attaching. */
export const PUBLISH_BYTES: number = 4 << 20
/** Batches are no longer than this, unless a single item is. */
export const MAX_BATCH_BYTES: number = 4 << 20
/**
 * Nor than this part of the ring: a batch's space is free when all of it was given back, so one item that is not must not hold
 * a whole ring, whose producer could then go on only if the consumer gives that back, too.
 */
const MAX_BATCH_PART = 1 / 4

/** Blocks of the longest batch of more than one item. */
export function maxBatchBlocks({ blockSize, dataBlocks }: Layout): number {
  return Math.max(1, Math.floor(Math.min(MAX_BATCH_BYTES / blockSize, dataBlocks * MAX_BATCH_PART)))
}

/** The end of what was committed. */
export interface Tail {
  /** Where the next epoch begins; held-back batches behind it are dropped. */
  readonly mark: Mark
  /** Places where batches are damaged that were complete once. */
  readonly damaged: readonly number[]
  /** Batches on the way that committed something. */
  readonly commits: number
  /** When the last of them was made, in milliseconds since 1970, on its producer's clock. */
  readonly time: number | undefined
}

/** What a producer slot says of where the log ends. */
export type Published = Pick<ProducerSlot, 'committed' | 'reach' | 'epochs'>

/** Blocks behind a committed place in which batches begin, unless more than that is held back. */
function searchBlocks({ blockSize }: Layout): number {
  return Math.ceil((2 * PUBLISH_BYTES + MAX_BATCH_BYTES) / blockSize)
}

/** Whether one who walks on from what a slot says finds a batch that begins at a place, whatever lies damaged before it. */
export function isInReach(slot: Published, lsn: number, layout: Layout): boolean {
  return lsn < Math.max(slot.reach, slot.committed.lsn + searchBlocks(layout))
}

/** What a slot has to say so that a batch is in reach that begins at a place, and more behind it. */
export function reachOf(committed: Mark, lsn: number, layout: Layout): number {
  const blocks = searchBlocks(layout)
  return lsn < committed.lsn + blocks ? 0 : lsn + blocks
}

/**
 * Walks from a committed place to the end of what was committed. A batch that is not whole ends the log, unless a later
 * one shows that it was complete once: that is damage, which is stepped over here, and reported to the consumer when
 * it gets there.
 * @param looksBehind whether a later batch is sought: without, it ends at damage as well
 */
export async function rollForward(
  disk: Disk,
  published: Published,
  looksBehind = true,
): Promise<Tail> {
  const { committed: from, reach, epochs } = published
  const { dataBlocks } = disk.layout
  const walker = new Walker(disk)
  const held = new Held(from)
  const damaged: number[] = []
  let mark = from
  let tail = from
  let commits = 0
  let time: number | undefined
  // Every step moves at least one block on, and the log holds so many.
  while (mark.lsn - from.lsn <= dataBlocks) {
    const batch = await walker.batchAt(mark, epochs)
    if (batch?.whole === true) {
      held.add(batch.items)
      if (batch.header.committedTo > tail.seq) {
        tail = held.commit(batch.header.committedTo, batch.end, tail)
        commits++
        time = batch.header.time
      }
      mark = batch.end
      continue
    }
    if (!looksBehind) break
    const inReach = Math.max(reach, mark.lsn + searchBlocks(disk.layout))
    const to = Math.min(inReach, mark.lsn + dataBlocks)
    const later = await walker.laterHeader(mark.lsn + 1, to, tail.seq, epochs)
    if (later === undefined) break
    damaged.push(mark.lsn)
    held.restart(later.start)
    mark = later.start
  }
  return { mark: tail, damaged, commits, time }
}

/** The first batch from a place on that is not whole, and how many blocks it has: 1 if it has no header. */
export async function firstTorn(
  disk: Disk,
  from: Mark,
  epochs: Epochs,
): Promise<{ readonly mark: Mark; readonly blocks: number }> {
  const walker = new Walker(disk)
  for (let mark = from; ; ) {
    const batch = await walker.batchAt(mark, epochs)
    if (batch?.whole !== true) return { mark, blocks: (batch?.end.lsn ?? mark.lsn + 1) - mark.lsn }
    mark = batch.end
  }
}

/** Counts bytes item by item, because a commit may end within what was held back. */
class Held {
  #seq: number
  #bytes: number
  #lengths: number[] = []

  constructor(from: Mark) {
    this.#seq = from.seq
    this.#bytes = from.bytes
  }

  add(items: BatchItems): void {
    for (let index = 0; index < items.length; index++) {
      this.#lengths.push(items.bytesBefore(index + 1) - items.bytesBefore(index))
    }
  }

  /**
   * The place after all items before `seq` are committed by the batch that ends at `end`. How many bytes are in those of a
   * batch that is damaged, nobody knows: then it is as many as at the place `before`.
   */
  commit(seq: number, end: Mark, before: Mark): Mark {
    if (seq < this.#seq) return { ...end, seq, bytes: before.bytes }
    const lengths = this.#lengths.splice(0, seq - this.#seq)
    for (const length of lengths) this.#bytes = addBytes(this.#bytes, length)
    this.#seq = seq
    return { ...end, seq, bytes: this.#bytes }
  }

  /** Goes on at a place behind damage. */
  restart(mark: Mark): void {
    this.#seq = mark.seq
    this.#bytes = mark.bytes
    this.#lengths = []
  }
}
