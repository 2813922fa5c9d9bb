import { RingError } from '../../../errors.ts'
import { DEFAULT_MAX_ITEM_BYTES, itemTooLarge } from '../../shared/item-limits.ts'
import type { PoppedItem } from '../../types.ts'
import { cursorAfter, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { BatchItems } from '../log/batch-items.ts'
import { LogReader, type LogReaderOptions } from '../log/log-reader.ts'
import { toPosition, toText } from '../position.ts'
import { BackwardReader, type BackwardReaderOptions, type PastBatch } from './backward-reader.ts'
import { firstCursor, type Roles, readRoles } from './state.ts'

/**
 * The unacknowledged items, newest first.
 * @param roles both roles' slots
 * @param committed the end of the committed log, at the time of those slots
 */
export async function* newestItems(
  disk: Disk,
  roles: Roles,
  committed: LogPosition,
  options: BackwardReaderOptions,
): AsyncGenerator<PoppedItem> {
  const first = firstCursor(roles)
  const back = new BackwardReader(disk, roles.producer.epochs, committed, options)
  while (back.at.lsn > first.logPosition.lsn) {
    const batch = await back.before()
    if (batch === undefined) {
      // Blocks acknowledged or given up meanwhile may be overwritten.
      const now = firstCursor(await readRoles(disk))
      if (now.logPosition.lsn >= back.at.lsn) return
      throw brokenBefore(disk, back.at)
    }
    yield* itemsOf(disk, batch, itemsBefore(first), options.maxItemBytes)
  }
}

/**
 * The items before the consumer's cursor that are still on the device, newest first. The cursor has the CRC of the
 * batch before it, so these items are the ones that led to it. The search ends at the first batch that does not verify,
 * which usually has been overwritten.
 */
export async function* consumedItems(
  disk: Disk,
  options: BackwardReaderOptions,
): AsyncGenerator<PoppedItem> {
  const { producer, consumer } = await readRoles(disk)
  const { epochs } = producer
  const cursor = cursorAfter(consumer.cursor, consumer.seen, epochs)
  const { logPosition } = cursor
  if (cursor.index > 0) {
    // The cursor is inside a batch, whose blocks are still in use.
    const batch = await new LogReader(disk, readerOptions(options)).batchAt(logPosition, epochs)
    if (batch?.whole === true && batch.items.length >= cursor.index) {
      yield* itemsOf(disk, { ...batch, limit: itemsBefore(cursor) }, 0, options.maxItemBytes)
    } else {
      const now = await readRoles(disk)
      // The consumer advanced meanwhile, and the batch was overwritten.
      if (now.consumer.cursor.logPosition.lsn > logPosition.lsn) {
        return yield* consumedItems(disk, options)
      }
      // An overwriting ring has given the batch up, so this is no damage, and earlier items are overwritten too.
      if (now.producer.truncatedTo.lsn > logPosition.lsn) return
      throw brokenAt(disk, logPosition)
    }
  }
  const back = new BackwardReader(disk, epochs, logPosition, options)
  for (let batch = await back.before(); batch !== undefined; batch = await back.before()) {
    yield* itemsOf(disk, batch, 0, options.maxItemBytes)
  }
}

function readerOptions({ maxItemBytes, signal }: BackwardReaderOptions): LogReaderOptions {
  return { signal, ...(maxItemBytes !== undefined && { maxItemBytes }) }
}

/** A batch's items from a sequence number on, newest first, as copies. */
function* itemsOf(
  disk: Disk,
  { header, items, limit }: PastBatch,
  from: number,
  maxItemBytes = DEFAULT_MAX_ITEM_BYTES,
): Generator<PoppedItem> {
  const { start, epoch, time } = header
  const end = Math.min(items.length, limit - start.seq)
  for (let index = end - 1; index >= Math.max(0, from - start.seq); index--) {
    const position = toPosition(epoch, start.seq + index + 1)
    const item = items.at(index)
    if (item === undefined || item.length > maxItemBytes) {
      throw itemTooLarge({
        device: disk.device.name,
        offset: disk.offsetOf(start.lsn),
        length: lengthOf(items, index),
        position: toText(position),
        maxItemBytes,
      })
    }
    yield { item: item.slice(), position, pushedAt: time }
  }
}

function lengthOf(items: BatchItems, index: number): number {
  return items.bytesBefore(index + 1) - items.bytesBefore(index)
}

/** The log cannot be read backward from a log position. */
function brokenBefore(disk: Disk, { lsn, seq }: LogPosition): RingError {
  const { name: device } = disk.device
  const offset = disk.offsetOf(lsn)
  return new RingError(
    'RING_CORRUPT',
    `The batch that ends at byte ${offset} of ${device} does not verify, or is larger than the limit (maxItemBytes), so ` +
      `items before number ${seq + 1} cannot be found reading backward; read forward, from the oldest on, or see verifyRing`,
    { device, offset, structure: 'batch' },
  )
}

/** The batch that contains the cursor is damaged. */
function brokenAt(disk: Disk, { lsn }: LogPosition): RingError {
  const { name: device } = disk.device
  const offset = disk.offsetOf(lsn)
  return new RingError(
    'RING_CORRUPT',
    `The batch at byte ${offset} of ${device}, of which the consumer has some items, does not verify; see verifyRing`,
    { device, offset, structure: 'batch' },
  )
}
