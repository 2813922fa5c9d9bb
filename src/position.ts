declare const position: unique symbol

/**
 * A place in the ring, which only grows over the ring's life. Get it from `push` or `pop`; after an item, it is the
 * position of the next. Positions of one ring can be compared; what else they are depends on the format:
 *
 * - 2: how many items were pushed up to there, and the epoch in which they were, times 2^53. Where items are lost with a disk's
 *   cache, the next epoch counts from there again.
 * - 1: bytes of records up to there (physically, modulo the data area). A bigint, because 2^53 bytes pass in 104 days at 1 GB/s.
 *
 * `formatPosition` shows one, and `parsePosition` takes that back.
 */
export type Position = bigint & { readonly [position]: true }

/** Marks an offset as a position of the ring. */
export function asPosition(offset: bigint): Position {
  return offset as Position
}
