import type { BlockDevice } from '../device.ts'
import { checkLegs } from '../wrap/mirror-legs.ts'
import { firstDifference } from './difference.ts'
import { chunksOf } from './extents.ts'
import { type OperationOptions, planOf } from './options.ts'
import { inParallel } from './pipeline.ts'
import { bothSettled, placeOf, readAt, targetOf, writeAt } from './place.ts'

/** What {@link resync} did. */
export interface Resynced {
  /** Bytes of the chunks that differed and were written; 0 if the devices held the same. */
  readonly writtenBytes: number
}

/**
 * Makes a mirror's legs the same again: compares them, and writes to `to` the chunks in which it differs from
 * `from`. Of legs of differing size what both have is looked at, as the mirror does. Neither may be written
 * meanwhile. The result is on stable storage when it resolves.
 *
 * After a crash any leg can be `from`, unless one had been dropped: then the other must be.
 *
 * Unlike `copy` it keeps no order: while both legs are states that a crash may leave, each sector of a resync that
 * was cut short is of one of them, and any leg can still be `from`. A start of zeroes would break that.
 * @throws {TypeError} both are the same device
 * @throws {RangeError} their sectors differ in size, or an option cannot be; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of a device
 * @throws the signal's reason
 */
export async function resync(
  from: BlockDevice,
  to: BlockDevice,
  options: OperationOptions = {},
): Promise<Resynced> {
  const [source, target] = [await placeOf(from), await targetOf(to)]
  checkLegs(source, target)
  const totalBytes = Math.min(source.sizeBytes, target.sizeBytes)
  const plan = planOf(options, totalBytes, source.info.sectorSize)
  let writtenBytes = 0
  await inParallel(chunksOf({ offset: 0, bytes: totalBytes }, plan.chunkBytes), plan, () => {
    const wanted = from.allocate(plan.chunkBytes)
    const found = to.allocate(plan.chunkBytes)
    return async ({ offset, bytes }) => {
      const [content, old] = [wanted.subarray(0, bytes), found.subarray(0, bytes)]
      await bothSettled(readAt(source, offset, content), readAt(target, offset, old))
      if (firstDifference(content, old) !== undefined) {
        await writeAt(target, offset, content)
        writtenBytes += bytes
      }
      plan.progress(bytes)
    }
  })
  await to.flush()
  return { writtenBytes }
}
