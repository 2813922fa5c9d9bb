import { channel } from '../../../util/diagnostics.ts'
import type { Disk } from '../disk/disk.ts'
import { offsetIn } from './diagnose.ts'
import type { Batch } from './log-reader.ts'

/** Published on `shared-block-ring:correction` when a flipped bit was corrected while reading. */
export interface CorrectionMessage {
  readonly device: string
  /** The byte, counted from the device's start, and the bit in it (0 is the lowest). */
  readonly offset: number
  readonly bit: number
}

const corrections = channel('shared-block-ring:correction')

/** Publishes the bit that was corrected in a batch, if there was one. */
export function publishCorrection(disk: Disk, { header, flipped }: Batch): void {
  if (flipped === undefined || !corrections.hasSubscribers) return
  const offset = offsetIn(disk, header.start.lsn, flipped.at)
  const { name: device } = disk.device
  corrections.publish({ device, offset, bit: flipped.bit } satisfies CorrectionMessage)
}
