import type { Codec } from '../../codec/codec.ts'
import { checkRange } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import type { WaitingOptions } from '../../util/waiting.ts'
import { CONSUMER_KINDS } from '../shared/attach-options.ts'
import { BOUND_KINDS } from '../shared/single-item.ts'
import type { ConsumerOptions, NewRingOptions, PopManyOptions } from '../types.ts'
import { checkLazyAckOptions, type LazyAckOptions } from './lazy-ack-options.ts'
import { checkWaitOptions, type WaitOptions } from './poll.ts'

/** How a `RingReader` is opened. */
export interface ReaderOptions<Out> extends ConsumerOptions, WaitOptions {
  /** Turns bytes into items. Default: items are bytes. */
  readonly codec?: Codec<Out, never>
  /** Create the ring if the device is blank, as the options say: either end may start first. Default false. */
  readonly createIfMissing?: boolean | NewRingOptions
  /**
   * Wait while the device is blank, for another program to create the ring; `signal` ends the waiting. Default false: a blank device is
   * refused, as one with something else on it always is. Not with `createIfMissing`, after which there is nothing to wait for.
   */
  readonly waitForRing?: boolean
  /**
   * `ack` resolves immediately, and one write covers many calls; `true` for the defaults. After a crash, entries whose
   * acknowledgement was not written yet are delivered again. Default: an `ack` that lets the ring advance resolves when that is durable.
   */
  readonly lazyAck?: boolean | LazyAckOptions
  /**
   * Bounds the entries that are delivered and still in the ring, acknowledged ones after an unacknowledged one included. At the bound,
   * `receive` waits until the oldest one is acknowledged, `tryReceive` answers nothing, and `shared-block-ring:held` tells which
   * entry it is, as `RingReader.unacked` does. Default 65,536.
   */
  readonly maxUnacked?: number
}

const KINDS: OptionKinds<ReaderOptions<never>> = {
  ...CONSUMER_KINDS,
  maxPollMs: 'number',
  codec: 'object',
  createIfMissing: ['boolean', 'object'],
  waitForRing: 'boolean',
  lazyAck: ['boolean', 'object'],
  maxUnacked: 'number',
}

/**
 * Checks a reader's options, but for its lease, so that nothing is sent to the device for options that are refused.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkReaderOptions<Out>(call: string, options: ReaderOptions<Out>): void {
  checkOptions(call, options, KINDS)
  const { lazyAck, maxUnacked = 1 } = options
  if (typeof lazyAck === 'object') checkLazyAckOptions(lazyAck)
  checkRange({ maxUnacked }, 1)
  checkWaitOptions(options)
  if (options.waitForRing && options.createIfMissing) {
    throw new TypeError('createIfMissing or waitForRing, not both')
  }
}

/** What `receiveMany` takes. */
export interface ReceiveManyOptions
  extends WaitingOptions,
    Pick<PopManyOptions, 'maxItems' | 'maxBytes'> {
  /**
   * True if the codec gets, and so `bytes` answers, items as views of the memory they were read into, and not as copies. A view is good
   * until its entry is acknowledged: from then on the memory is used again, and the view detached (its length is 0). Views that keep
   * more than 64 MiB from being used again are followed by copies. In format 1 all are. Default false.
   */
  readonly views?: boolean
}

/** How much `flush` waits for. */
export interface FlushOptions extends WaitingOptions {
  /** True to wait for entries that are not acknowledged and hold back others that are. Default true. */
  readonly waitForEarlier?: boolean
}

/** Where a reader continues after `rewind` or `seek`. */
export interface SeekOptions {
  /**
   * Also deliver again entries that were acknowledged after an unacknowledged one; their acknowledgements are dropped. Default false:
   * they are passed over.
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
