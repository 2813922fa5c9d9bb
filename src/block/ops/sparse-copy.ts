import type { OptionKinds } from '../../util/options.ts'
import type { BlockDevice } from '../device.ts'
import { checkApart } from './appears-at.ts'
import { type Area, commonUnit, pairOf } from './byte-range.ts'
import { copyPieces } from './copy-pieces.ts'
import { chunksOf, type Extent, extentsOf } from './extents.ts'
import {
  checkOperation,
  OPERATION_KINDS,
  type OperationOptions,
  type Plan,
  planOf,
} from './options.ts'

/** Holes are cleared in pieces of at most this many bytes, so that progress shows and aborting works. */
const HOLE_BYTES = 64 << 20

/** Options of a copy that skips holes. */
export interface SparseCopyOptions extends OperationOptions {
  /**
   * The target reads as zeroes everywhere, like a new file: its holes are left alone, whatever its capabilities.
   * Default false.
   */
  readonly targetIsZero?: boolean
}

const KINDS: OptionKinds<SparseCopyOptions> = { ...OPERATION_KINDS, targetIsZero: 'boolean' }

/**
 * As `copy`, but the source's holes are not read: the target frees their space if it can, and otherwise
 * holds zeroes there. What is a hole on the target already is not written. On a source without the `seek`
 * capability there are no holes.
 * @throws as `copy`
 */
export async function sparseCopy(
  from: BlockDevice,
  to: BlockDevice,
  options: SparseCopyOptions = {},
): Promise<void> {
  checkOperation('sparseCopy', [from, to], options, KINDS)
  const [source, target] = await pairOf(from, to)
  const unitBytes = commonUnit(source, target)
  const plan = planOf(options, source.sizeBytes, unitBytes)
  const all = pieces(source, unitBytes, plan)
  // Nothing is cleared, so even a copy of a device to itself would only write the same bytes.
  if (options.targetIsZero === true) {
    return copyPieces(source, target, plan, all, async () => false)
  }
  plan.signal?.throwIfAborted()
  await checkApart(source, target, unitBytes)
  await copyPieces(source, target, plan, all)
}

async function* pieces(source: Area, unitBytes: number, plan: Plan): AsyncGenerator<Extent> {
  const holeBytes = Math.ceil(HOLE_BYTES / unitBytes) * unitBytes
  for await (const extent of extentsOf(source, unitBytes)) {
    const { mapped } = extent
    for (const chunk of chunksOf(extent, mapped ? plan.chunkBytes : holeBytes)) {
      yield { ...chunk, mapped }
    }
  }
}
