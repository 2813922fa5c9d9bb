import type { BlockDevice } from '../device.ts'
import { checkApart } from './appears-at.ts'
import { commonUnit, pairOf } from './byte-range.ts'
import { copyPieces } from './copy-pieces.ts'
import { chunksOf, type Extent } from './extents.ts'
import { checkOperation, OPERATION_KINDS, type OperationOptions, planOf } from './options.ts'

/**
 * Copies a device's content to another of the same size in bytes; their sector sizes may differ. The copy is on
 * stable storage when it resolves. After a failure, an abort or a crash the target has a part of it, and zeroes
 * instead of the first chunk: the start is written last, so that a partial copy does not look complete.
 *
 * No other program may use either device meanwhile. First, the target's last sector briefly contains random bytes: if
 * the source reads them at the same offset, both are one storage. Other overlaps of partitions are not detected.
 * @throws {TypeError} as every operation, or both are the same device, or one storage under two names; nothing was
 *   changed
 * @throws {RangeError} the sizes differ, or an option is out of range; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of a device
 * @throws the signal's reason
 */
export async function copy(
  from: BlockDevice,
  to: BlockDevice,
  options: OperationOptions = {},
): Promise<void> {
  checkOperation('copy', [from, to], options, OPERATION_KINDS)
  const [source, target] = await pairOf(from, to)
  const unitBytes = commonUnit(source, target)
  const plan = planOf(options, source.sizeBytes, unitBytes)
  plan.signal?.throwIfAborted()
  await checkApart(source, target, unitBytes)
  await copyPieces(source, target, plan, pieces(source.sizeBytes, plan.chunkBytes))
}

async function* pieces(sizeBytes: number, chunkBytes: number): AsyncGenerator<Extent> {
  for (const chunk of chunksOf({ offset: 0, bytes: sizeBytes }, chunkBytes)) {
    yield { ...chunk, mapped: true }
  }
}
