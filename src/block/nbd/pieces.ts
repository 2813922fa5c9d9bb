/** A run of bytes. */
export interface Piece {
  readonly offset: number
  readonly length: number
}

/** Cuts a run of bytes into pieces of at most `limit`. */
export function* piecesOf(offset: number, length: number, limit: number): Generator<Piece> {
  const end = offset + length
  for (let at = offset; at < end; at += limit) {
    yield { offset: at, length: Math.min(limit, end - at) }
  }
}

/**
 * Does something with each item, with several at a time, and begins no more after a failure. Settles when nothing is
 * under way any more.
 * @throws the first failure
 */
export async function inParallel<T>(
  items: Generator<T>,
  width: number,
  perform: (item: T) => Promise<unknown>,
): Promise<void> {
  const work = async (): Promise<void> => {
    // All of them take from the same generator; a failure ends it for all.
    for (const item of items) await perform(item)
  }
  const settled = await Promise.allSettled(Array.from({ length: width }, work))
  for (const result of settled) if (result.status === 'rejected') throw result.reason
}
