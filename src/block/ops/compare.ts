import type { BlockDevice } from '../device.ts'
import { areaOf, bothSettled, commonUnit, readAt } from './byte-range.ts'
import { firstDifference } from './difference.ts'
import { type Chunk, chunksOf } from './extents.ts'
import { checkOperation, OPERATION_KINDS, type OperationOptions, planOf } from './options.ts'
import { inOrder } from './pipeline.ts'

/** The result of {@link compare}. */
export type Comparison =
  | { readonly status: 'equal' }
  | {
      /** The content differs. */
      readonly status: 'different'
      /** The first byte that differs, from the start of both devices. */
      readonly offset: number
    }
  | {
      /** The sizes differ; the content was not compared. */
      readonly status: 'different-size'
      /** Bytes of the first device and of the second. */
      readonly sizeBytes: readonly [number, number]
    }

/**
 * Compares two devices byte by byte, up to the first difference. Their sector sizes may differ.
 * @throws {BlockError} a device cannot be read
 * @throws {TypeError | RangeError} an option is out of range or unknown
 * @throws the signal's reason
 */
export async function compare(
  first: BlockDevice,
  second: BlockDevice,
  options: OperationOptions = {},
): Promise<Comparison> {
  checkOperation('compare', [first, second], options, OPERATION_KINDS)
  const [a, b] = await Promise.all([areaOf(first), areaOf(second)])
  const plan = planOf(options, a.sizeBytes, commonUnit(a, b))
  if (a.sizeBytes !== b.sizeBytes) {
    return { status: 'different-size', sizeBytes: [a.sizeBytes, b.sizeBytes] }
  }
  const memory = new Map<number, [Uint8Array, Uint8Array]>()
  const readBoth = async ({ offset, bytes }: Chunk, slot: number) => {
    const [wholeA, wholeB] = memory.get(slot) ?? [
      first.allocate(plan.chunkBytes),
      second.allocate(plan.chunkBytes),
    ]
    memory.set(slot, [wholeA, wholeB])
    const [bytesA, bytesB] = [wholeA.subarray(0, bytes), wholeB.subarray(0, bytes)]
    await bothSettled(readAt(a, offset, bytesA), readAt(b, offset, bytesB))
    return { offset, bytesA, bytesB }
  }
  const chunks = chunksOf({ offset: 0, bytes: a.sizeBytes }, plan.chunkBytes)
  for await (const { offset, bytesA, bytesB } of inOrder(chunks, plan, readBoth)) {
    const at = firstDifference(bytesA, bytesB)
    if (at !== undefined) return { status: 'different', offset: offset + at }
    plan.progress(bytesA.length)
  }
  return { status: 'equal' }
}
