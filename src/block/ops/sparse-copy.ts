import { isBlockError } from '../../errors.ts'
import type { BlockDevice } from '../device.ts'
import { chunkCopier } from './copy.ts'
import { type Chunk, chunksOf, type Extent, extentsOf } from './extents.ts'
import { type OperationOptions, type Plan, planOf } from './options.ts'
import { inParallel } from './pipeline.ts'
import { commonUnit, type Place, pairOf } from './place.ts'

/** Holes are cleared in pieces of at most this many bytes, so that progress shows and aborting works. */
const HOLE_BYTES = 64 << 20

/**
 * As `copy`, but the source's holes are not read: the target gives their space back if it can, and otherwise
 * holds zeroes there. What is a hole on the target already is not written. On a source without the `seek`
 * capability there are no holes.
 * @throws as `copy`
 */
export async function sparseCopy(
  from: BlockDevice,
  to: BlockDevice,
  options: OperationOptions = {},
): Promise<void> {
  const [source, target] = await pairOf(from, to)
  const unitBytes = commonUnit(source, target)
  const plan = planOf(options, source.sizeBytes, unitBytes)
  await inParallel(pieces(source, unitBytes, plan), plan, () => {
    let transfer: ((chunk: Chunk) => Promise<void>) | undefined
    return async (extent) => {
      if (extent.mapped) {
        transfer ??= chunkCopier(source, target, plan.chunkBytes)
        await transfer(extent)
      } else {
        await clear(target, extent)
      }
      plan.progress(extent.bytes)
    }
  })
  await to.flush()
}

async function* pieces(source: Place, unitBytes: number, plan: Plan): AsyncGenerator<Extent> {
  const holeBytes = Math.ceil(HOLE_BYTES / unitBytes) * unitBytes
  for await (const extent of extentsOf(source, unitBytes)) {
    const { mapped } = extent
    for (const chunk of chunksOf(extent, mapped ? plan.chunkBytes : holeBytes)) {
      yield { ...chunk, mapped }
    }
  }
}

/** Makes a run of bytes read as zeroes, with as few writes as the target's capabilities allow. */
async function clear({ device, info }: Place, { offset, bytes }: Chunk): Promise<void> {
  const start = offset / info.sectorSize
  const end = start + bytes / info.sectorSize
  if (!device.capabilities.seek) return device.writeZeroes(start, end - start)
  await discardIfPossible(device, start, end - start)
  for (let at = start; at < end; ) {
    const data = await device.seekMapped(at)
    if (data >= end) return
    const hole = Math.min(Math.max(await device.seekUnmapped(data), data + 1), end)
    await device.writeZeroes(data, hole - data)
    at = hole
  }
}

/** Some files only say when asked that their file system has no holes. */
async function discardIfPossible(
  device: BlockDevice,
  sectorStart: number,
  sectors: number,
): Promise<void> {
  if (!device.capabilities.discard) return
  try {
    await device.discard(sectorStart, sectors)
  } catch (error) {
    if (!isBlockError(error) || error.code !== 'BLOCK_UNSUPPORTED') throw error
  }
}
