import type { BlockDevice } from '../device.ts'
import { type Area, targetOf } from './byte-range.ts'
import { type Chunk, chunksOf } from './extents.ts'
import { type OperationOptions, planOf } from './options.ts'
import { inParallel } from './pipeline.ts'

/** Makes the makers of workers, each of which writes one chunk at a time. */
type Writing = (area: Area, chunkBytes: number) => () => (chunk: Chunk) => Promise<void>

/** Writes every sector of a device, and flushes. */
export async function writeEverywhere(
  device: BlockDevice,
  options: OperationOptions,
  writing: Writing,
): Promise<void> {
  const area = await targetOf(device)
  const plan = planOf(options, area.sizeBytes, area.info.sectorSize)
  const worker = writing(area, plan.chunkBytes)
  await inParallel(chunksOf({ offset: 0, bytes: area.sizeBytes }, plan.chunkBytes), plan, () => {
    const write = worker()
    return async (chunk) => {
      await write(chunk)
      plan.progress(chunk.bytes)
    }
  })
  await device.flush()
}
