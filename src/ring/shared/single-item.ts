import type { Position } from '../../position.ts'
import { checkOptions, type OptionKind, type OptionKinds } from '../../util/options.ts'
import type { WaitingOptions } from '../../util/waiting.ts'
import type { Consumer, PopManyOptions, PopResult, Producer, PushResult } from '../types.ts'

const DEFAULT_MAX_ITEMS = 1000
/** The default limit of a `popMany`, in bytes. */
export const DEFAULT_MAX_BYTES: number = 1 << 20

/** Implements `push` with `pushMany`. */
export async function pushOne(
  producer: Producer,
  item: Uint8Array,
  options?: WaitingOptions,
): Promise<PushResult> {
  const result = await producer.pushMany([item], options)
  if (result.status !== 'ok') return result
  return { status: 'ok', position: result.position }
}

/** Types of the options that bound a call. */
export const BOUND_KINDS: OptionKinds<Omit<PopManyOptions, 'from'>> = {
  maxItems: 'number',
  maxBytes: 'number',
  signal: 'signal',
}

const POP_KINDS: OptionKinds<PopManyOptions> = { from: 'bigint', ...BOUND_KINDS }

/**
 * The bounds of a `popMany`, or of a similar call.
 * @param kinds types of that call's options
 * @throws {TypeError} as `checkOptions`
 * @throws {RangeError} less than one item or byte
 */
export function popBounds(
  options: PopManyOptions,
  call = 'Consumer.popMany',
  kinds: Readonly<Record<string, OptionKind>> = POP_KINDS,
): {
  readonly maxItems: number
  readonly maxBytes: number
} {
  checkOptions(call, options, kinds)
  const { maxItems = DEFAULT_MAX_ITEMS, maxBytes = DEFAULT_MAX_BYTES } = options
  if (maxItems >= 1 && maxBytes >= 1) return { maxItems, maxBytes }
  throw new RangeError(
    `maxItems and maxBytes must be numbers from 1, not ${maxItems} and ${maxBytes}`,
  )
}

/** Implements `pop` with `popMany`. */
export async function popOne(consumer: Consumer, from: Position | undefined): Promise<PopResult> {
  const [popped] = await consumer.popMany({ ...(from !== undefined && { from }), maxItems: 1 })
  return popped === undefined ? { status: 'retry' } : { status: 'item', ...popped }
}

/** Implements `fold` with `popMany`. */
export async function foldAll<A>(
  consumer: Consumer,
  f: (accumulator: A, item: Uint8Array, position: Position) => A | Promise<A>,
  initial: A,
  from: Position | undefined,
): Promise<{ readonly position: Position; readonly accumulator: A }> {
  let accumulator = initial
  let position = from ?? consumer.position
  for (;;) {
    const popped = await consumer.popMany({ from: position })
    if (popped.length === 0) return { position, accumulator }
    for (const { item, position: after } of popped) {
      accumulator = await f(accumulator, item, after)
      position = after
    }
  }
}
