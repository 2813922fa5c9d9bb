import { asPosition, type Position } from '../../position.ts'
import type { Pushed } from '../types.ts'

/** The lowest bit of the epoch in a position. */
const EPOCH = 2n ** 53n

/**
 * Positions of format 2 combine the epoch in which an item was pushed with the number of items up to it. A volatile
 * cache can lose an item that was visible but never acknowledged. The next epoch then reuses its number, but its
 * positions are still larger.
 */
export function toPosition(epoch: number, seq: number): Position {
  return asPosition(BigInt(epoch) * EPOCH + BigInt(seq))
}

/** `count` positions of one epoch, one item apart. */
export function positionsFrom(epoch: number, seq: number, count: number): readonly Position[] {
  const positions: Position[] = []
  let next: bigint = toPosition(epoch, seq)
  for (let index = 0; index < count; index++) positions.push(asPosition(next++))
  return positions
}

/**
 * The positions of `count` items pushed in one epoch after `seq` others. Computed on demand: most callers need only the
 * last.
 */
export function pushedFrom(epoch: number, seq: number, count: number): Pushed {
  const position = toPosition(epoch, seq + count)
  if (count === 1) return { status: 'ok', pushed: count, position, positions: [position] }
  let positions: readonly Position[] | undefined
  return {
    status: 'ok',
    pushed: count,
    position,
    get positions() {
      positions ??= positionsFrom(epoch, seq + 1, count)
      return positions
    },
  }
}

/** The epoch and the item count of a position. */
export function fromPosition(position: bigint): { readonly epoch: number; readonly seq: number } {
  return { epoch: Number(position / EPOCH), seq: Number(position % EPOCH) }
}

/** The beginning of the item that ends at a position. */
export function startOf(position: Position): Position {
  return asPosition(position - 1n)
}

/** A position as text: `epoch:item`. */
export function toText(position: bigint): string {
  return `${position / EPOCH}:${position % EPOCH}`
}

/** Parses the text of a position; undefined if it is not one. */
export function fromText(text: string): Position | undefined {
  const [, epochText, seqText] = /^(\d+):(\d+)$/.exec(text) ?? []
  const [epoch, seq] = [Number(epochText), Number(seqText)]
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(seq)
    ? toPosition(epoch, seq)
    : undefined
}
