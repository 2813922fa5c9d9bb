import type { Codec } from '../../codec/codec.ts'
import { checkRange } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import type { WaitingOptions } from '../../util/waiting.ts'
import { CONSUMER_KINDS } from '../shared/attach-options.ts'
import { BOUND_KINDS } from '../shared/single-item.ts'
import type { ConsumerOptions, NewRingOptions } from '../types.ts'
import { checkLazyAckOptions, type LazyAckOptions } from './lazy-ack-options.ts'
import { checkPollOptions, type PollOptions } from './poll.ts'
import type { Unacked } from './unacked-limit.ts'

/** Options of a `RingReader`. */
export interface ReaderOptions<Out> extends ConsumerOptions, PollOptions {
  /** Decodes items. Default: items are bytes. */
  readonly codec?: Codec<Out, never>
  /** Create the ring if the device is blank, with these options: either end may start first. Default false. */
  readonly createIfMissing?: boolean | NewRingOptions
  /**
   * Wait while the device is blank for another program to create the ring; `signal` ends the wait. Default false: a
   * blank device is refused. A device with other content is always refused. Not with `createIfMissing`, which leaves
   * nothing to wait for.
   */
  readonly waitForRing?: boolean
  /**
   * Let `ack` resolve immediately, and one write cover many calls; `true` uses the defaults. After a crash, entries
   * whose acknowledgement was not yet written are delivered again. Default: an `ack` that lets the ring advance
   * resolves when that is durable.
   */
  readonly lazyAck?: boolean | LazyAckOptions
  /**
   * The most entries delivered and still in the ring, including acknowledged ones after an unacknowledged one. At the
   * limit, `receive` waits until the oldest one is acknowledged, `tryReceive` returns nothing, and `onHeld` and
   * `RingReader.unacked` identify that entry. Default 65,536.
   */
  readonly maxUnacked?: number
  /**
   * Called when `maxUnacked` keeps entries back, once for each entry that is the cause: its acknowledgement is missing,
   * perhaps forgotten. If it throws, so does the call that receives. Default: nothing is called;
   * `shared-block-ring:held` publishes the same.
   */
  readonly onHeld?: (unacked: Unacked) => void
}

const KINDS: OptionKinds<ReaderOptions<never>> = {
  ...CONSUMER_KINDS,
  maxPollMs: 'number',
  codec: 'object',
  createIfMissing: ['boolean', 'object'],
  waitForRing: 'boolean',
  lazyAck: ['boolean', 'object'],
  maxUnacked: 'number',
  onHeld: 'function',
}

/**
 * Validates a reader's options, except its lease, before anything is sent to the device.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkReaderOptions<Out>(call: string, options: ReaderOptions<Out>): void {
  checkOptions(call, options, KINDS)
  const { lazyAck, maxUnacked = 1 } = options
  if (typeof lazyAck === 'object') checkLazyAckOptions(lazyAck)
  checkRange({ maxUnacked }, 1)
  checkPollOptions(options)
  if (options.waitForRing && options.createIfMissing) {
    throw new TypeError('createIfMissing or waitForRing, not both')
  }
}

/** Limits of a call that receives several entries. */
export interface ReceiveOptions extends WaitingOptions {
  /** The most entries. Default 1,000; of a `RingConnection` 256. */
  readonly maxItems?: number
  /** Stop after the entry that reaches this many bytes. Default 1 MiB. */
  readonly maxBytes?: number
}

/** Options of `receiveMany`. */
export interface ReceiveManyOptions extends ReceiveOptions {
  /**
   * Pass items to the codec, and as `bytes`, as views of the memory that was read instead of copies. A view is valid
   * until its entry is acknowledged: then the memory is reused, and the view detached (its length is 0). While views
   * pin more than 64 MiB, further items are copies; in format 1 all are. Default false.
   */
  readonly views?: boolean
}

/** Options of `flush`. */
export interface FlushOptions extends WaitingOptions {
  /** Wait for unacknowledged entries that hold back acknowledged ones. Default true. */
  readonly waitForEarlier?: boolean
}

/** Options of `rewind` and `seek`. */
export interface SeekOptions {
  /**
   * Also deliver again entries that were acknowledged after an unacknowledged one, and drop their acknowledgements.
   * Default false: they are skipped.
   */
  readonly acknowledgedToo?: boolean
}

/** Types of the options of `receiveMany`. */
export const RECEIVE_KINDS: OptionKinds<ReceiveManyOptions> = { ...BOUND_KINDS, views: 'boolean' }

/** Types of the options of `flush`. */
export const FLUSH_KINDS: OptionKinds<FlushOptions> = {
  signal: 'signal',
  waitForEarlier: 'boolean',
}

/** Types of the options of `rewind` and `seek`. */
export const SEEK_KINDS: OptionKinds<SeekOptions> = { acknowledgedToo: 'boolean' }
