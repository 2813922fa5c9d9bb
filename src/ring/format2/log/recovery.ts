import type { Disk } from '../disk/disk.ts'
import type { Epochs } from '../disk/epochs.ts'
import { type Layout, searchBlocks } from '../disk/layout.ts'
import { addBytes, type LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { type Batch, LogReader } from './log-reader.ts'

/** The end of what was committed. */
export interface Tail {
  /** Where the next epoch begins; held-back batches behind it are dropped. */
  readonly logPosition: LogPosition
  /** Places where batches are damaged that were complete once. */
  readonly damaged: readonly number[]
  /** Batches on the way that committed something. */
  readonly commits: number
  /** When the last of them was made, in milliseconds since 1970, on its producer's clock. */
  readonly time: number | undefined
}

/** What a producer slot says of where the log ends. */
export type Checkpoint = Pick<ProducerSlot, 'committed' | 'reach' | 'epochs'>

/** Whether one who walks on from what a slot says finds a batch that begins at a place, whatever lies damaged before it. */
export function isInReach(slot: Checkpoint, lsn: number, layout: Layout): boolean {
  return lsn < Math.max(slot.reach, slot.committed.lsn + searchBlocks(layout))
}

/** What a slot has to say so that a batch is in reach that begins at a place, and more behind it. */
export function reachOf(committed: LogPosition, lsn: number, layout: Layout): number {
  const blocks = searchBlocks(layout)
  return lsn < committed.lsn + blocks ? 0 : lsn + blocks
}

/** How the end of the log is looked for. */
interface RollForwardOptions {
  /** Whether a later batch is sought where one is damaged: without, the log ends there as well. Default true. */
  readonly searchesBehind?: boolean
  /** Ends it between two reads. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Walks from a committed place to the end of what was committed. A batch that is not whole ends the log, unless a later
 * one shows that it was complete once: that is damage, which is stepped over here, and reported to the consumer when
 * it gets there.
 * @throws the signal's reason
 */
export async function replay(
  disk: Disk,
  checkpoint: Checkpoint,
  { searchesBehind = true, signal }: RollForwardOptions = {},
): Promise<Tail> {
  const { committed: from, reach, epochs } = checkpoint
  const { dataBlocks } = disk.layout
  const reader = new LogReader(disk, { signal })
  const bytes = new ByteCount(new LogReader(disk, { signal }), epochs, from)
  const damaged: number[] = []
  let logPosition = from
  let tail = from
  let commits = 0
  let time: number | undefined
  // Every step moves at least one block on, and the log holds so many.
  while (logPosition.lsn - from.lsn <= dataBlocks) {
    const batch = await reader.batchAt(logPosition, epochs)
    if (batch?.whole === true) {
      const { committedTo: seq } = batch.header
      batch.items.release()
      if (seq > tail.seq) {
        tail = { ...batch.end, seq, bytes: await bytes.before(seq, batch, tail) }
        commits++
        time = batch.header.time
      }
      logPosition = batch.end
      continue
    }
    if (!searchesBehind) break
    const inReach = Math.max(reach, logPosition.lsn + searchBlocks(disk.layout))
    const to = Math.min(inReach, logPosition.lsn + dataBlocks)
    const later = await reader.laterHeader(logPosition.lsn + 1, to, tail.seq, epochs)
    if (later === undefined) break
    damaged.push(logPosition.lsn)
    bytes.restart(later.start)
    logPosition = later.start
  }
  return { logPosition: tail, damaged, commits, time }
}

/** The first batch from a place on that is not whole, and how many blocks it has: 1 if it has no header. */
export async function firstTorn(
  disk: Disk,
  from: LogPosition,
  epochs: Epochs,
  signal: AbortSignal | undefined,
): Promise<{ readonly logPosition: LogPosition; readonly blocks: number }> {
  const reader = new LogReader(disk, { signal })
  for (let logPosition = from; ; ) {
    const batch = await reader.batchAt(logPosition, epochs)
    if (batch?.whole !== true)
      return { logPosition, blocks: (batch?.end.lsn ?? logPosition.lsn + 1) - logPosition.lsn }
    logPosition = batch.end
  }
}

/**
 * Counts bytes of items, because a commit may end within what was held back. Follows the walk, batch by batch, as far as what is
 * committed: so it holds one batch, however much is held back.
 */
class ByteCount {
  readonly #reader: LogReader
  readonly #epochs: Epochs
  /** A place before which all is committed. */
  #at: LogPosition
  /** Places behind damage, where to go on. */
  #restarts: LogPosition[] = []

  constructor(reader: LogReader, epochs: Epochs, from: LogPosition) {
    this.#reader = reader
    this.#epochs = epochs
    this.#at = from
  }

  /**
   * Bytes of all items before `seq`, which `batch` commits. How many are in those of a batch that is damaged, nobody knows:
   * then it is as many as at the place `before`.
   */
  async before(seq: number, { header, end }: Batch, before: LogPosition): Promise<number> {
    // Mostly a batch commits itself, or all that is before it.
    for (const { seq: at, bytes } of [end, header.start]) if (at === seq) return bytes
    this.#at = this.#restarts.findLast((logPosition) => logPosition.seq <= seq) ?? this.#at
    this.#restarts = this.#restarts.filter((logPosition) => logPosition.seq > seq)
    while (this.#at.seq < seq) {
      const batch = await this.#reader.batchAt(this.#at, this.#epochs)
      if (batch?.whole !== true) return before.bytes
      const index = seq - batch.header.start.seq
      batch.items.release()
      if (index < batch.items.length) {
        return addBytes(this.#at.bytes, batch.items.bytesBefore(index))
      }
      this.#at = batch.end
    }
    return this.#at.seq === seq ? this.#at.bytes : before.bytes
  }

  /** The log goes on at a place behind damage. */
  restart(logPosition: LogPosition): void {
    this.#restarts.push(logPosition)
  }
}
