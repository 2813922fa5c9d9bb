import type { Codec } from '../../codec/codec.ts'
import type { Position } from '../../position.ts'
import { checkRange } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { ATTACH_KINDS } from '../shared/attach-options.ts'
import type { AttachOptions, NewRingOptions } from '../types.ts'
import { checkPollOptions, type PollOptions } from './poll.ts'
import { checkQueueLimits, QUEUE_KINDS } from './queue-limits.ts'

/** Options of a `RingWriter`. */
export interface WriterOptions<In> extends AttachOptions, PollOptions {
  /** Encodes items. Default: items are bytes. */
  readonly codec?: Codec<unknown, In>
  /** Create the ring if the device is blank, with these options. Default false. */
  readonly createIfMissing?: boolean | NewRingOptions
  /** Refuse pushes while this many items are queued in memory. Default 65,536. */
  readonly maxQueuedItems?: number
  /** Refuse pushes while this many bytes are queued in memory. Default 256 MiB. */
  readonly maxQueuedBytes?: number
  /**
   * The interval at which an idle writer checks for a suspend request, in milliseconds. Default 200; `Infinity`: never.
   */
  readonly idleRefreshIntervalMs?: number
  /**
   * Called each time the writer finds the ring full or suspended, also while it is opened. If it throws, all queued
   * pushes reject with its error.
   */
  readonly onBlocked?: () => void
}

/** The result of `tryPush`. */
export type TryPushResult =
  /** The item is durable and visible. */
  | {
      readonly status: 'ok'
      /** The position after the item. */
      readonly position: Position
    }
  /** There is no room at present, or other pushes are queued. */
  | { readonly status: 'full' }
  /** The consumer has requested a pause. */
  | { readonly status: 'suspended' }

/** The result of `tryPushMany`. */
export type TryPushManyResult =
  /** Some leading items are durable and visible. */
  | {
      readonly status: 'ok'
      /** The number of these items. */
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
 * Validates a writer's options, except its lease, before anything is sent to the device.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkWriterOptions<In>(call: string, options: WriterOptions<In>): void {
  checkOptions(call, options, WRITER_KINDS)
  const { idleRefreshIntervalMs = 1 } = options
  checkRange({ idleRefreshIntervalMs }, 1)
  checkQueueLimits(options)
  checkPollOptions(options)
}
