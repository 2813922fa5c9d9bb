import type { BlockDevice } from '../device.ts'
import { type Chunk, chunksOf } from './extents.ts'
import { type OperationOptions, planOf } from './options.ts'
import { inParallel } from './pipeline.ts'
import { commonUnit, type Place, pairOf, readAt, writeAt } from './place.ts'

/**
 * Copies a device's content to another of the same size in bytes; the sizes of their sectors may differ. The
 * copy is on stable storage when it resolves. After a failure or an abort the target holds a part of it.
 * @throws {TypeError} both are the same device
 * @throws {RangeError} the sizes differ, or an option cannot be; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of a device
 * @throws the signal's reason
 */
export async function copy(
  from: BlockDevice,
  to: BlockDevice,
  options: OperationOptions = {},
): Promise<void> {
  const [source, target] = await pairOf(from, to)
  const plan = planOf(options, source.sizeBytes, commonUnit(source, target))
  const chunks = chunksOf({ offset: 0, bytes: source.sizeBytes }, plan.chunkBytes)
  await inParallel(chunks, plan, () => {
    const transfer = chunkCopier(source, target, plan.chunkBytes)
    return async (chunk) => {
      await transfer(chunk)
      plan.progress(chunk.bytes)
    }
  })
  await to.flush()
}

/** Copies chunks, one at a time. */
export function chunkCopier(
  source: Place,
  target: Place,
  chunkBytes: number,
): (chunk: Chunk) => Promise<void> {
  const memory = source.device.allocate(chunkBytes)
  return async ({ offset, bytes }) => {
    const piece = memory.subarray(0, bytes)
    await readAt(source, offset, piece)
    await writeAt(target, offset, piece)
  }
}
