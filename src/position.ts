declare const position: unique symbol

/**
 * A position in a ring. It only grows over the ring's life. `push` and `pop` return it: the position after an item is
 * the position before the next one. Positions of one ring can be compared. Their value depends on the format:
 *
 * - 2: the number of items pushed up to there, plus 2^53 times their epoch. If items are lost with a disk's cache, the
 *   next epoch reuses their numbers.
 * - 1: the bytes of records up to there (physically, modulo the data area). A bigint, because 2^53 bytes pass in 104
 *   days at 1 GB/s.
 *
 * `formatPosition` converts it to text, and `parsePosition` back.
 */
export type Position = bigint & { readonly [position]: true }

/** Marks an offset as a position of the ring. */
export function asPosition(offset: bigint): Position {
  return offset as Position
}
