import type { BlockDevice } from '../../../block/device.ts'
import type { Extent } from '../../format.ts'
import { formatUuid } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { currentEpoch } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { headersEnd } from '../log/replay.ts'
import { toPosition } from '../position.ts'
import { MAX_PASSES } from '../role.ts'
import { readRoles } from './state.ts'

/** Finds the end of what was written; see `ringExtent`. */
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
      // The consumer has read past a header that is lost. It continues after it and never jumps back.
      end = await headersEnd(disk, { ...producer, committed: from }, signal)
    }
    const { committed } = (await readRoles(disk)).producer
    // The producer checkpoints before it reuses blocks. A checkpoint past this end means that the blocks may have been
    // overwritten while they were read.
    if (end.lsn < committed.lsn && pass < MAX_PASSES) continue
    const { epoch } = currentEpoch(producer.epochs)
    const writtenTo = toPosition(epoch, Math.max(end.seq, committed.seq))
    return { uuid: formatUuid(disk.ring.uuid), writtenTo }
  }
}
