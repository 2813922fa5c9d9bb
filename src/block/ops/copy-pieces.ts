import { type Area, commonUnit, readAt, writeAt } from './byte-range.ts'
import { clear } from './clear.ts'
import type { Chunk, Extent } from './extents.ts'
import type { Plan } from './options.ts'
import { inParallel } from './pipeline.ts'

/**
 * Copies pieces of a device, the first of which begins it, so that a copy that is cut short never looks whole:
 * what tells what a device holds is at its start, and that comes last.
 *
 * First the target's first piece becomes zeroes, unless it is a hole: what the target held is lost anyway, and
 * with its start left in place it would look like what it was, with the source's bytes in it. Then the rest is
 * copied, then the first piece but for its first unit, and that unit at the very end: one sector, which no crash
 * tears, where both devices have sectors of one size. A flush follows each of these, because a disk may reorder
 * what comes between two.
 *
 * `clearPiece` makes a piece of the target read as zeroes, and answers whether there was anything to do.
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
