import { type Directory, POOL_START } from '../ring/format2/disk/directory.ts'

/** A free part of a pool, in bytes. */
interface Gap {
  readonly offset: number
  readonly bytes: number
}

/** The free parts of a pool, ascending. */
export function gapsOf({ rings, poolBytes }: Directory): readonly Gap[] {
  const gaps: Gap[] = []
  let offset = POOL_START
  for (const ring of [...rings, { offset: poolBytes, bytes: 0 }]) {
    if (ring.offset > offset) gaps.push({ offset, bytes: ring.offset - offset })
    offset = ring.offset + ring.bytes
  }
  return gaps
}

/** The smallest gap with room for this many bytes; undefined if none is large enough. */
export function gapFor(directory: Directory, bytes: number): Gap | undefined {
  return gapsOf(directory)
    .filter((gap) => gap.bytes >= bytes)
    .sort((one, other) => one.bytes - other.bytes)[0]
}
