import { channel } from '../../../util/diagnostics.ts'
import type { Disk } from '../disk/disk.ts'
import { offsetIn } from './diagnose.ts'
import type { Batch } from './log-reader.ts'

/** What is published on `shared-block-ring:correction` when a flipped bit was read as it was written. */
export interface CorrectionMessage {
  readonly device: string
  /** The byte, counted from the device's start, and which of its bits, from the lowest, 0, on. */
  readonly offset: number
  readonly bit: number
}

const corrections = channel('shared-block-ring:correction')

/** Tells of the bit that was corrected in a batch, if one was. */
export function publishCorrection(disk: Disk, { header, flipped }: Batch): void {
  if (flipped === undefined || !corrections.hasSubscribers) return
  const offset = offsetIn(disk, header.start.lsn, flipped.at)
  const { name: device } = disk.device
  corrections.publish({ device, offset, bit: flipped.bit } satisfies CorrectionMessage)
}
