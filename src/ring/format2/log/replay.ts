import type { Disk } from '../disk/disk.ts'
import type { Epochs } from '../disk/epochs.ts'
import { searchBlocks } from '../disk/layout.ts'
import { addBytes, type LogPosition } from '../disk/log-position.ts'
import { LogReader, type ReadBatch } from './log-reader.ts'
import type { Checkpoint } from './reach.ts'

/** The end of the committed log. */
export interface Tail {
  /** The beginning of the next epoch. Uncommitted batches after it are dropped. */
  readonly logPosition: LogPosition
  /** LSNs of damaged batches that were once complete. */
  readonly damaged: readonly number[]
  /** Batches that committed something. */
  readonly commits: number
  /** Write time of the last of them, in milliseconds since 1970, by its producer's clock. */
  readonly time: number | undefined
}

/** Options of a replay. */
interface ReplayOptions {
  /** True to search for a later batch after a damaged one; otherwise the log ends there. Default true. */
  readonly searchesBehind?: boolean
  /** Ends the replay between two reads. */
  readonly signal?: AbortSignal | undefined
  /** As `LogReaderOptions.searchMemory`. */
  readonly searchMemory?: ((bytes: number) => Uint8Array) | undefined
}

/**
 * Replays the log from a checkpoint to the end of the committed log. An incomplete batch ends the log, unless a later
 * batch shows that it was complete once. That is damage, which is skipped here, and reported to the consumer when it
 * gets there.
 * @throws the signal's reason
 */
export async function replay(
  disk: Disk,
  checkpoint: Checkpoint,
  { searchesBehind = true, signal, searchMemory }: ReplayOptions = {},
): Promise<Tail> {
  const { committed: from, reach, epochs } = checkpoint
  const { dataBlocks } = disk.layout
  const reader = new LogReader(disk, { signal, searchMemory })
  const bytes = new ByteCount(new LogReader(disk, { signal }), epochs, from)
  const damaged: number[] = []
  let logPosition = from
  let tail = from
  let commits = 0
  let time: number | undefined
  // Each iteration advances by at least one block, and the log has `dataBlocks` of them.
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

/**
 * The end of the headers that lead on from a checkpoint, even if items are torn, damaged or uncommitted. In this epoch
 * nothing was written there or later, unless the header there is lost. That would take a search; a reader finds out
 * when it gets there, because it has to jump.
 */
export async function headersEnd(
  disk: Disk,
  { committed: from, epochs }: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<LogPosition> {
  const reader = new LogReader(disk, { signal })
  let logPosition = from
  // As in `replay`.
  while (logPosition.lsn - from.lsn <= disk.layout.dataBlocks) {
    const batch = await reader.batchAt(logPosition, epochs)
    if (batch === undefined) break
    batch.items.release()
    logPosition = batch.end
  }
  return logPosition
}

/** The first incomplete batch from a log position on, and its length in blocks: 1 if it has no header. */
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
 * Counts the bytes of items, because a commit may end within a batch. It follows the replay batch by batch, as far as
 * items are committed, and so keeps one batch in memory, however many items are uncommitted.
 */
class ByteCount {
  readonly #reader: LogReader
  readonly #epochs: Epochs
  /** A log position before which everything is committed. */
  #at: LogPosition
  /** Log positions after damage, at which counting resumes. */
  #restarts: LogPosition[] = []

  constructor(reader: LogReader, epochs: Epochs, from: LogPosition) {
    this.#reader = reader
    this.#epochs = epochs
    this.#at = from
  }

  /**
   * Total bytes of the items before `seq`, which `batch` commits. If a damaged batch makes them unknown, the count at
   * `before`.
   */
  async before(seq: number, { header, end }: ReadBatch, before: LogPosition): Promise<number> {
    // A batch usually commits itself, or everything before it.
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

  /** Resumes the count at a log position after damage. */
  restart(logPosition: LogPosition): void {
    this.#restarts.push(logPosition)
  }
}
