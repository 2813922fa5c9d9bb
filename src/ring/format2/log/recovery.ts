import type { Disk } from '../disk/disk.ts'
import type { Epochs } from '../disk/epochs.ts'
import { type Layout, searchBlocks } from '../disk/layout.ts'
import { addBytes, type Mark } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { type Batch, Walker } from './log-reader.ts'

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

/** Whether one who walks on from what a slot says finds a batch that begins at a place, whatever lies damaged before it. */
export function isInReach(slot: Published, lsn: number, layout: Layout): boolean {
  return lsn < Math.max(slot.reach, slot.committed.lsn + searchBlocks(layout))
}

/** What a slot has to say so that a batch is in reach that begins at a place, and more behind it. */
export function reachOf(committed: Mark, lsn: number, layout: Layout): number {
  const blocks = searchBlocks(layout)
  return lsn < committed.lsn + blocks ? 0 : lsn + blocks
}

/** How the end of the log is looked for. */
interface RollForwardOptions {
  /** Whether a later batch is sought where one is damaged: without, the log ends there as well. Default true. */
  readonly looksBehind?: boolean
  /** Ends it between two reads. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Walks from a committed place to the end of what was committed. A batch that is not whole ends the log, unless a later
 * one shows that it was complete once: that is damage, which is stepped over here, and reported to the consumer when
 * it gets there.
 * @throws the signal's reason
 */
export async function rollForward(
  disk: Disk,
  published: Published,
  { looksBehind = true, signal }: RollForwardOptions = {},
): Promise<Tail> {
  const { committed: from, reach, epochs } = published
  const { dataBlocks } = disk.layout
  const walker = new Walker(disk, { signal })
  const bytes = new ByteCount(new Walker(disk, { signal }), epochs, from)
  const damaged: number[] = []
  let mark = from
  let tail = from
  let commits = 0
  let time: number | undefined
  // Every step moves at least one block on, and the log holds so many.
  while (mark.lsn - from.lsn <= dataBlocks) {
    const batch = await walker.batchAt(mark, epochs)
    if (batch?.whole === true) {
      const { committedTo: seq } = batch.header
      batch.items.release()
      if (seq > tail.seq) {
        tail = { ...batch.end, seq, bytes: await bytes.before(seq, batch, tail) }
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
    bytes.restart(later.start)
    mark = later.start
  }
  return { mark: tail, damaged, commits, time }
}

/** The first batch from a place on that is not whole, and how many blocks it has: 1 if it has no header. */
export async function firstTorn(
  disk: Disk,
  from: Mark,
  epochs: Epochs,
  signal: AbortSignal | undefined,
): Promise<{ readonly mark: Mark; readonly blocks: number }> {
  const walker = new Walker(disk, { signal })
  for (let mark = from; ; ) {
    const batch = await walker.batchAt(mark, epochs)
    if (batch?.whole !== true) return { mark, blocks: (batch?.end.lsn ?? mark.lsn + 1) - mark.lsn }
    mark = batch.end
  }
}

/**
 * Counts bytes of items, because a commit may end within what was held back. Follows the walk, batch by batch, as far as what is
 * committed: so it holds one batch, however much is held back.
 */
class ByteCount {
  readonly #walker: Walker
  readonly #epochs: Epochs
  /** A place before which all is committed. */
  #mark: Mark
  /** Places behind damage, where to go on. */
  #restarts: Mark[] = []

  constructor(walker: Walker, epochs: Epochs, from: Mark) {
    this.#walker = walker
    this.#epochs = epochs
    this.#mark = from
  }

  /**
   * Bytes of all items before `seq`, which `batch` commits. How many are in those of a batch that is damaged, nobody knows:
   * then it is as many as at the place `before`.
   */
  async before(seq: number, { header, end }: Batch, before: Mark): Promise<number> {
    // Mostly a batch commits itself, or all that is before it.
    for (const { seq: at, bytes } of [end, header.start]) if (at === seq) return bytes
    this.#mark = this.#restarts.findLast((mark) => mark.seq <= seq) ?? this.#mark
    this.#restarts = this.#restarts.filter((mark) => mark.seq > seq)
    while (this.#mark.seq < seq) {
      const batch = await this.#walker.batchAt(this.#mark, this.#epochs)
      if (batch?.whole !== true) return before.bytes
      const index = seq - batch.header.start.seq
      batch.items.release()
      if (index < batch.items.length) {
        return addBytes(this.#mark.bytes, batch.items.bytesBefore(index))
      }
      this.#mark = batch.end
    }
    return this.#mark.seq === seq ? this.#mark.bytes : before.bytes
  }

  /** The log goes on at a place behind damage. */
  restart(mark: Mark): void {
    this.#restarts.push(mark)
  }
}
