import type { Codec } from '../codec/codec.ts'
import { decodeItem } from '../codec/codec.ts'
import type { CodecError } from '../errors.ts'
import { isCodecError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { Consumer } from '../ring/types.ts'

/** An operation, and the position after it. */
export interface Operation<Op> {
  readonly operation: Op
  readonly position: Position
}

/** The next operations in the ring. */
export type Next<Op> =
  /** Operations, at least one. */
  | { readonly operations: readonly Operation<Op>[] }
  /** The first one does not decode. */
  | { readonly undecodable: CodecError; readonly position: Position }
  /** Nothing, although there should be an operation. */
  | undefined

/** The bounds of a group. */
export interface BatchBounds {
  readonly maxPerformItems: number
  readonly maxPerformBytes: number
}

/** Reads unacknowledged operations, up to a position, an operation that does not decode, or a limit. */
export async function readNext<Op>(
  consumer: Consumer,
  codec: Codec<Op, never>,
  bounds: BatchBounds,
  upTo: Position,
): Promise<Next<Op>> {
  const { maxPerformItems: maxItems, maxPerformBytes: maxBytes } = bounds
  const operations: Operation<Op>[] = []
  for (const { item, position } of await consumer.popMany({ maxItems, maxBytes })) {
    if (position > upTo) break
    try {
      operations.push({
        operation: await decodeItem(codec, item, position, consumer.format),
        position,
      })
    } catch (error) {
      if (!isCodecError(error)) throw error
      // Operations before it are performed first: it must not be skipped earlier.
      if (operations.length === 0) return { undecodable: error, position }
      break
    }
  }
  return operations.length === 0 ? undefined : { operations }
}
