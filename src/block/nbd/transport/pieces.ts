import type { Permit } from '../../permit.ts'
import type { Request } from './request.ts'

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

/** The error of unsent pieces of a call of which another piece has failed. */
const WITHDRAWN = new Error('another piece of the same call has failed')

/** Options that the requests of one call share. */
export type SharedByPieces = Required<Pick<Request, 'permit' | 'onFailed'>>

/**
 * Runs a task for each piece of a call, several at a time. After a failure no further piece is started, and the permit
 * stops those that wait to be sent. Settles when none is in flight.
 * @throws the first failure
 */
export async function inParallel<T>(
  pieces: Generator<T>,
  width: number,
  permit: Permit,
  perform: (piece: T, shared: SharedByPieces) => Promise<unknown>,
): Promise<void> {
  let hasFailed = false
  const shared: SharedByPieces = {
    permit: () => {
      if (hasFailed) throw WITHDRAWN
      permit()
    },
    onFailed: () => {
      hasFailed = true
    },
  }
  const work = async (): Promise<void> => {
    // All of them take from the same generator; a failure ends it for all.
    for (const piece of pieces) await perform(piece, shared)
  }
  const settled = await Promise.allSettled(Array.from({ length: width }, work))
  const failures = settled.filter((result) => result.status === 'rejected')
  const first = failures.find(({ reason }) => reason !== WITHDRAWN)
  if (first !== undefined) throw first.reason
}
