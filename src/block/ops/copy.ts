import type { BlockDevice } from '../device.ts'
import { checkApart } from './apart.ts'
import { commonUnit, pairOf } from './byte-range.ts'
import { copyPieces } from './copy-pieces.ts'
import { chunksOf, type Extent } from './extents.ts'
import { type OperationOptions, planOf } from './options.ts'

/**
 * Copies a device's content to another of the same size in bytes; the sizes of their sectors may differ. The
 * copy is on stable storage when it resolves. After a failure, an abort or a crash the target holds a part of it,
 * and zeroes in place of the first chunk: the start comes last, so that a part never looks whole.
 * Nobody may be at work on either meanwhile. Before anything else, the target's last sector holds random bytes for a moment:
 * if they are read from the source at the same place, both are one storage. Partitions that overlap otherwise are not told.
 * @throws {TypeError} both are the same device, or one storage under two names; nothing was changed
 * @throws {RangeError} the sizes differ, or an option is out of range; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of a device
 * @throws the signal's reason
 */
export async function copy(
  from: BlockDevice,
  to: BlockDevice,
  options: OperationOptions = {},
): Promise<void> {
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
