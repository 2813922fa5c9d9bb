import { POOL_START, POOL_UNIT } from '../ring/format2/disk/directory.ts'

/** The smallest device for a pool: it has room for one ring. */
export const MIN_POOL_BYTES: number = POOL_START + POOL_UNIT

/** The bytes that a size takes in a pool. */
export function inUnits(bytes: number): number {
  return Math.ceil(bytes / POOL_UNIT) * POOL_UNIT
}
