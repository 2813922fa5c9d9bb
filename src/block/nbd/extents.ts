import type { Status } from './exchange.ts'
import { EXTENT_FLAG } from './protocol.ts'

/** Asks what is at an offset; the answer is about at least one byte. */
export type AskStatus = (offset: number) => Promise<Status>

/** The first sector at or after `sector` that may hold data, or undefined if there is none before `end`. */
export async function findMapped(
  ask: AskStatus,
  sectorSize: number,
  sector: number,
  end: number,
): Promise<number | undefined> {
  for (let offset = sector * sectorSize; offset < end; ) {
    const status = await ask(offset)
    if (!isHole(status)) return Math.floor(offset / sectorSize)
    offset += status.length
  }
  return undefined
}

/**
 * The first sector at or after `sector` that lies in a hole as a whole, or undefined if there is none before `end`.
 * Holes need not be whole sectors, and one may be described in several answers.
 */
export async function findUnmapped(
  ask: AskStatus,
  sectorSize: number,
  sector: number,
  end: number,
): Promise<number | undefined> {
  let candidate = sector
  for (let offset = sector * sectorSize; offset < end; ) {
    const status = await ask(offset)
    offset += status.length
    if (!isHole(status)) candidate = Math.ceil(offset / sectorSize)
    else if (offset >= (candidate + 1) * sectorSize) return candidate
  }
  return undefined
}

/** Without `zero`, a hole's content is undefined. */
function isHole({ flags }: Status): boolean {
  const both = EXTENT_FLAG.hole | EXTENT_FLAG.zero
  return (flags & both) === both
}
