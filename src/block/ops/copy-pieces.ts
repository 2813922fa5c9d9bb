import { type Area, commonUnit, readAt, writeAt } from './byte-range.ts'
import { clear } from './clear.ts'
import type { Chunk, Extent } from './extents.ts'
import type { Plan } from './options.ts'
import { inParallel } from './pipeline.ts'

/**
 * Copies pieces of a device, the first of which is its start, so that an interrupted copy does not look complete: a
 * device's content is recognised by its start, and that is written last.
 *
 * First the target's first piece becomes zeroes, unless it is a hole: the target's content is lost anyway, and with
 * its old start it would look like the old content, with the source's bytes in it. Then the rest is copied, then the
 * first piece without its first unit, and finally that unit: one sector, which no crash tears, if both devices have
 * the same sector size. A flush follows each of these steps, because a disk may reorder writes between two flushes.
 *
 * `clearPiece` makes a piece of the target read as zeroes, and returns whether that took a write.
 */
export async function copyPieces(
  source: Area,
  target: Area,
  plan: Plan,
  pieces: AsyncGenerator<Extent>,
  clearPiece: (piece: Chunk) => Promise<boolean> = (piece) => clear(target, piece),
): Promise<void> {
  const first = await pieces.next()
  if (first.done === true) return
  const head = first.value
  plan.signal?.throwIfAborted()
  if (await clearPiece(head)) await target.device.flush()

  const copyHead = chunkCopier(source, target, plan.chunkBytes)
  const idle = [copyHead]
  await inParallel(pieces, plan, () => {
    const copyChunk = idle.pop() ?? chunkCopier(source, target, plan.chunkBytes)
    return async (piece) => {
      if (piece.mapped) await copyChunk(piece)
      else await clearPiece(piece)
      plan.progress(piece.bytes)
    }
  })
  await target.device.flush()

  if (head.mapped) {
    for (const part of startLast(head, commonUnit(source, target))) {
      plan.signal?.throwIfAborted()
      await copyHead(part)
      await target.device.flush()
    }
  }
  plan.progress(head.bytes)
}

/** A piece's first unit after all the rest of it. */
function startLast({ offset, bytes }: Chunk, unitBytes: number): readonly Chunk[] {
  const start = { offset, bytes: unitBytes }
  if (bytes === unitBytes) return [start]
  return [{ offset: offset + unitBytes, bytes: bytes - unitBytes }, start]
}

/** Copies chunks, one at a time. */
function chunkCopier(
  source: Area,
  target: Area,
  chunkBytes: number,
): (chunk: Chunk) => Promise<void> {
  const memory = source.device.allocate(chunkBytes)
  return async ({ offset, bytes }) => {
    const piece = memory.subarray(0, bytes)
    await readAt(source, offset, piece)
    await writeAt(target, offset, piece)
  }
}
