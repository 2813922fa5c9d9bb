import type { Codec } from '../../codec/codec.ts'
import type { Position } from '../../position.ts'
import { checkRange } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { ATTACH_KINDS } from '../shared/attach-options.ts'
import type { AttachOptions, NewRingOptions } from '../types.ts'
import { checkWaitOptions, type WaitOptions } from './poll.ts'
import { checkQueueLimits, QUEUE_KINDS } from './queue-limits.ts'

/** How a `RingWriter` is opened. */
export interface WriterOptions<In> extends AttachOptions, WaitOptions {
  /** Turns items into bytes. Default: items are bytes. */
  readonly codec?: Codec<unknown, In>
  /** Create the ring if the device is blank, as the options say. Default false. */
  readonly createIfMissing?: boolean | NewRingOptions
  /** Pushes are refused while this many items wait in memory. Default 65,536. */
  readonly maxQueuedItems?: number
  /** Pushes are refused while this many bytes wait in memory. Default 256 MiB. */
  readonly maxQueuedBytes?: number
  /**
   * How often the writer checks for a suspend request while nothing is pushed, in milliseconds. Default 200; `Infinity`: never.
   */
  readonly idleRefreshIntervalMs?: number
  /**
   * Called each time the writer finds the ring full or suspended, also while it is opened. If it throws, all waiting pushes reject
   * with its error.
   */
  readonly onBlocked?: () => void
}

/** What `tryPush` returns. */
export type TryPushResult =
  /** The item is durable and visible. */
  | {
      readonly status: 'ok'
      /** The position after the item. */
      readonly position: Position
    }
  /** There is no room now, or other pushes are waiting. */
  | { readonly status: 'full' }
  /** The consumer requests a pause. */
  | { readonly status: 'suspended' }

/** What `tryPushMany` answers. */
export type TryPushManyResult =
  /** Items from the front are durable and visible. */
  | {
      readonly status: 'ok'
      /** How many. */
      readonly pushed: number
      /** The position after the last of them. */
      readonly position: Position
    }
  | Exclude<TryPushResult, { readonly status: 'ok' }>

/** Types of the options of a writer. */
export const WRITER_KINDS: OptionKinds<WriterOptions<never>> = {
  ...ATTACH_KINDS,
  maxPollMs: 'number',
  codec: 'object',
  createIfMissing: ['boolean', 'object'],
  ...QUEUE_KINDS,
  idleRefreshIntervalMs: 'number',
  onBlocked: 'function',
}

/**
 * Checks a writer's options, but for its lease, so that nothing is sent to the device for options that are refused.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkWriterOptions<In>(call: string, options: WriterOptions<In>): void {
  checkOptions(call, options, WRITER_KINDS)
  const { idleRefreshIntervalMs = 1 } = options
  checkRange({ idleRefreshIntervalMs }, 1)
  checkQueueLimits(options)
  checkWaitOptions(options)
}
