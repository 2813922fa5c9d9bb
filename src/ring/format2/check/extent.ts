import type { BlockDevice } from '../../../block/device.ts'
import type { Extent } from '../../format.ts'
import { formatUuid } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { currentEpoch } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { headersEnd } from '../log/recovery.ts'
import { toPosition } from '../position.ts'
import { MAX_PASSES } from '../role.ts'
import { readRoles } from './state.ts'

/** How far a ring was written; see `ringExtent`. */
export async function extent(
  device: BlockDevice,
  from: LogPosition | undefined,
  signal: AbortSignal | undefined,
): Promise<Extent> {
  const disk = await Disk.open(device)
  for (let pass = 1; ; pass++) {
    const { producer } = await readRoles(disk)
    let end = await headersEnd(disk, producer, signal)
    if (from !== undefined && from.lsn > end.lsn) {
      // A header was lost that the consumer has read: it continues after it, and does not jump.
      end = await headersEnd(disk, { ...producer, committed: from }, signal)
    }
    const { committed } = (await readRoles(disk)).producer
    // Before blocks are reused, the producer's slot is written: if it is past this end, the blocks read may have been overwritten.
    if (end.lsn < committed.lsn && pass < MAX_PASSES) continue
    const { epoch } = currentEpoch(producer.epochs)
    const writtenTo = toPosition(epoch, Math.max(end.seq, committed.seq))
    return { uuid: formatUuid(disk.ring.uuid), writtenTo }
  }
}
