import type { VerifyOptions } from '../../report/finding.ts'
import { type BatchHeader, parseHeaderAt } from '../disk/batch.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, type Epochs } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { LogReader } from './log-reader.ts'

/** Bytes per read. */
const CHUNK_BYTES = 1 << 20

/** All batch headers of this ring in the data area, in device order, freed and dropped ones included. */
export async function* scanHeaders(
  disk: Disk,
  { onProgress, signal }: VerifyOptions,
): AsyncGenerator<BatchHeader> {
  const { blockSize, dataBlocks } = disk.layout
  const step = Math.max(1, Math.floor(CHUNK_BYTES / blockSize))
  for (let index = 0; index < dataBlocks; index += step) {
    signal?.throwIfAborted()
    const count = Math.min(step, dataBlocks - index)
    const bytes = await disk.readBlocks(index, count)
    for (let at = 0; at < count; at++) {
      const block = bytes.subarray(at * blockSize, (at + 1) * blockSize)
      const header = parseHeaderAt(block, index + at, disk.uuid, disk.layout)
      if (header !== undefined) yield header
    }
    onProgress?.((index + count) * blockSize, dataBlocks * blockSize)
  }
}

/** True if everything before a batch was committed when it was written, so that the log can be read from there. */
export function isBoundary({ start, committedTo }: BatchHeader): boolean {
  return committedTo >= start.seq
}

/**
 * The oldest log position from which the log can be read, at a complete batch; undefined if there is none.
 * @param epochs the beginnings of epochs before the first are unknown
 * @param from no log position before this LSN
 * @param tail the end of the committed log
 */
export async function oldestBatch(
  disk: Disk,
  epochs: Epochs,
  from: number,
  tail: LogPosition,
  options: VerifyOptions,
): Promise<LogPosition | undefined> {
  const reader = new LogReader(disk, options)
  let oldest: LogPosition | undefined
  const least = Math.max(from, tail.lsn - disk.layout.dataBlocks, epochs[0]?.start.lsn ?? 0)
  for await (const header of scanHeaders(disk, options)) {
    const { start, epoch } = header
    if (start.lsn < least || start.lsn >= (oldest ?? tail).lsn || !isBoundary(header)) continue
    if (!allowsEpoch(epochs, start.lsn, epoch)) continue
    if (await reader.isWhole(header)) oldest = start
  }
  return oldest
}
