import type { BlockDevice } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import type { Position } from '../position.ts'
import type { WaitingOptions } from '../util/waiting.ts'
import type { LeaseOptions } from './lease-types.ts'

/** A range of bytes on a device. */
export interface ByteRange {
  /** Its offset on the device. */
  readonly offset: number
  /** Its length. */
  readonly bytes: number
}

/** The state of a ring. `suspended` from the moment when the producer grants the consumer's suspend request. */
export type RingState = 'running' | 'suspended'

/** The names of the queue and the program, which label their role on the device. */
export interface Names {
  /** The name of the queue. */
  readonly queue: string
  /** The name of the program. */
  readonly client: string
}

/** Options of both roles. */
export interface AttachOptions {
  /** Name of the queue, a label in the role's slot or pointer sector. Default `unknown`. */
  readonly queue?: string
  /** Name of the program, likewise. Default `unknown`. */
  readonly client?: string
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /**
   * Ends attaching between two reads, and the wait for a lease or, when a writer is opened, for a suspended ring, with
   * the signal's reason.
   */
  readonly signal?: AbortSignal
  /**
   * Time for which a role may rely on its last refresh, in milliseconds. It limits how late a pushing producer notices
   * a suspend request. Default 10; 0 refreshes on every push.
   */
  readonly refreshIntervalMs?: number
  /**
   * The largest item to push or pop, in bytes, if the ring has room for it: bounds the memory of an item. Popping a
   * larger one throws `RING_ITEM_TOO_LARGE`; `parsePosition(details.position)` is the position after the item:
   * `advance` to it to skip the item. Default 16 MiB.
   */
  readonly maxItemBytes?: number
  /** Lease the role on the device, so that no other host has it at the same time (format 2). Default: no lease. */
  readonly lease?: LeaseOptions
}

/** Options of a consumer. */
export interface ConsumerOptions extends AttachOptions {
  /**
   * The treatment of damaged items (format 2; format 1 cannot detect them). `stop` throws `RING_DAMAGED`, whose
   * `parsePosition(details.position)` is the position after the damage: `advance` to it to skip. `skip` counts them and
   * continues after them. Default `stop`.
   */
  readonly onDamage?: 'stop' | 'skip'
  /** Let other programs on this machine have this consumer suspend and resume the ring. Default true. */
  readonly answerRequests?: boolean
}

/** Properties of a new ring. */
export interface NewRingOptions {
  /**
   * 2 has checksums, and commits with one write. 1 is compatible with the original, and trusts its device. Default 2.
   */
  readonly format?: 1 | 2
  /**
   * Format 2: what the producer does when there is no room. `wait`: writers wait, and nothing is lost. `overwrite`: the
   * oldest items are given up, for telemetry that would rather lose these than wait. Default `wait`.
   */
  readonly onFull?: 'wait' | 'overwrite'
  /** Format 2: bytes in a block, the unit of writing: a power of two from 512 to 65536. Default 4096. */
  readonly blockSize?: number
  /** Format 2: a label, at most 256 bytes of UTF-8. */
  readonly name?: string
  /**
   * Format 2: the ring's identity, 16 bytes. If it is given, the data area is overwritten with zeroes first, because
   * items of an earlier ring with the same identity would pass for items of this one. Default: random, and only
   * metadata is written.
   */
  readonly uuid?: Uint8Array
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** Options of `create`. */
export interface CreateOptions extends NewRingOptions {
  /** Create the ring even if the device holds something other than a ring, and destroy that. Default false. */
  readonly eraseOther?: boolean
}

/** The result of `create`. */
export interface Created {
  /** False: it existed already, and was not changed. */
  readonly created: boolean
}

/** The result of `close` of a handle that pushes. */
export interface Closed {
  /** The number of pushes rejected with `RING_CLOSED`: calls with items that are not in the ring. */
  readonly rejected: number
}

/** The result of `push`. */
export type PushResult =
  /** The item is on stable storage, not visible yet. */
  | {
      readonly status: 'ok'
      /** The position after the item. */
      readonly position: Position
    }
  /** There is no room at present. */
  | { readonly status: 'retry' }
  /** The consumer has requested a pause, which this grants. */
  | { readonly status: 'suspended' }

/** Items on stable storage: visible after `append`; after `pushMany`, once `advance` resolves. */
export interface Pushed {
  readonly status: 'ok'
  /** The number of items, from the front. */
  readonly pushed: number
  /** The position after the last of them. */
  readonly position: Position
  /** The position after each of them. */
  readonly positions: readonly Position[]
}

/** The result of `pushMany` and `append`. */
export type PushManyResult =
  | Pushed
  | { readonly status: 'retry' }
  | { readonly status: 'suspended' }

/** One item, and the position after it. */
export interface PoppedItem {
  /** A copy that belongs to the caller; those of one call may share a buffer. */
  readonly item: Uint8Array
  /** The position after the item. */
  readonly position: Position
  /** Push time, in milliseconds since 1970, by the producer's clock; absent in format 1, which does not record it. */
  readonly pushedAt?: number
  /**
   * The number of earlier items that were overwritten, in a ring that overwrites the oldest; absent if none were. It is
   * final once this item is acknowledged: until then a power cut can undo the overwriting, and those items are
   * delivered after all, before this one.
   */
  readonly missed?: number
}

/** The result of `pop`. */
export type PopResult =
  | ({ readonly status: 'item' } & PoppedItem)
  /** There is no item at present. */
  | { readonly status: 'retry' }

/** Options of `popMany`. */
export interface PopManyOptions {
  /** The position to start at. Default: the consumer's own position. */
  readonly from?: Position
  /** The most items. Default 1,000. */
  readonly maxItems?: number
  /** Stop after the item that reaches this many bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /** Ends the call between two reads, with the signal's reason: searching past damage can take long. */
  readonly signal?: AbortSignal
}

/** The result of `suspend` and `resume`. */
export type SuspendResult =
  /** The request is on the device. `state` shows when it is granted. */
  | { readonly status: 'ok' }
  /** The previous request is not granted yet. */
  | { readonly status: 'retry' }

/** The result of `Producer.attach`. */
export type AttachProducerResult =
  | {
      readonly status: 'attached'
      /** The handle. */
      readonly producer: Producer
    }
  /** The ring is suspended, which this grants. There is no handle: attach again later. */
  | { readonly status: 'suspended' }

/**
 * The pointers as text, under the original's keys: `producer/offset`, `producer/suspend_ack`,
 * `consumer/offset`, `consumer/suspend`.
 */
export type DebugInfo = Readonly<Record<string, string>>

/** The common part of both roles. */
export interface RingRole extends AsyncDisposable {
  /** The device that holds the ring. */
  readonly device: BlockDevice
  /** The format's number, which determines the text of positions. */
  readonly format: 1 | 2
  /** As in `AttachOptions`. */
  readonly queue: string
  /** As in `AttachOptions`. */
  readonly client: string
  /** Bytes of the data area: the limit for all records together. */
  readonly capacityBytes: number
  /** Length of the largest item, in bytes. */
  readonly maxItemBytes: number
  /** The producer's behaviour when there is no room; see {@link NewRingOptions}. */
  readonly onFull: 'wait' | 'overwrite'
  /**
   * Bytes of the ring's log before the producer's tail, or the consumer's cursor, since its creation. The bytes between
   * the two are in use.
   */
  readonly logOffset: bigint

  /**
   * Reads the state from the device again.
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`, `RING_CLOSED`
   */
  debugInfo(): Promise<DebugInfo>

  /** Releases the role; the device stays open. Never fails; can be called again. */
  close(): Promise<void>
}

/**
 * The end that pushes. Overlapping calls run in the order of the calls.
 *
 * Every method throws {@link RingError} `RING_CLOSED`; `RING_POISONED` after a failed write or flush; `RING_CORRUPT`
 * and `RING_UNSTABLE` if the device holds something invalid; `RING_ROLE_CONFLICT` if another producer wrote; and {@link
 * BlockError} as the device throws it. `BLOCK_READ_ONLY` leaves the handle as it was: call again once the device takes
 * writes.
 *
 * No call waits for room. A signal ends the search for it between two reads, never a write: a ring that overwrites is
 * searched for the next item to keep, which can take long where it is damaged.
 */
export interface Producer extends RingRole {
  /** Position after the last item pushed, visible or not. */
  readonly position: Position

  /** Reads the consumer's suspend request, grants it, and returns the state. */
  state(): Promise<RingState>

  /**
   * Puts a copy of an item on stable storage, after those pushed before. It is invisible until `advance`, and dropped
   * if that never comes.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`
   * @throws the signal's reason, before anything is pushed
   */
  push(item: Uint8Array, options?: WaitingOptions): Promise<PushResult>

  /**
   * As `push`, for as many leading items as have room, in as few writes as possible. In format 2, if the device refuses
   * one of several writes, or cannot be read before it, the items of the earlier writes are returned, and the next call
   * throws.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`, before anything is pushed
   */
  pushMany(items: readonly Uint8Array[], options?: WaitingOptions): Promise<PushManyResult>

  /**
   * Pushes as many leading items as have room, and commits them together with everything pushed before; no other call
   * of this handle comes between. In format 2 this is one durable write. Without items it does nothing.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`, before anything is pushed
   * @throws the signal's reason, before anything is pushed
   */
  append(items: readonly Uint8Array[], options?: WaitingOptions): Promise<PushManyResult>

  /**
   * Makes everything pushed before `position` visible, durably. Does nothing if it is visible already.
   * @throws {RangeError} `position` was not returned by a `push` of this handle
   */
  advance(position: Position, options?: WaitingOptions): Promise<void>
}

/**
 * The end that pops. Overlapping calls run in the order of the calls.
 *
 * Throws what {@link Producer} throws.
 */
export interface Consumer extends RingRole {
  /** The consumer's own position: everything before it is acknowledged. */
  readonly position: Position

  /** Reads the state: `suspended` once the producer has granted the suspend request. */
  state(): Promise<RingState>

  /** Requests the producer to pause. */
  suspend(): Promise<SuspendResult>

  /** Requests the producer to continue. Resuming a running ring is no error. */
  resume(): Promise<SuspendResult>

  /**
   * Reads the item at `from` (default: the consumer's own position). Changes nothing: repeated calls return the same
   * item until `advance`.
   * @throws {RangeError} `from` lies before the consumer's position, or no pop of this handle has read up to it (in
   *   format 1: it lies beyond the producer's position, or no record can begin there)
   */
  pop(from?: Position): Promise<PopResult>

  /** As `pop`, for many items in one call; none if the ring is empty. */
  popMany(options?: PopManyOptions): Promise<readonly PoppedItem[]>

  /**
   * Folds over all items from `from` (default: the consumer's own position) to the last one, and returns the result
   * with the position after it. Changes nothing.
   */
  fold<A>(
    f: (accumulator: A, item: Uint8Array, position: Position) => A | Promise<A>,
    initial: A,
    from?: Position,
  ): Promise<{
    /** The position after the last item. */
    readonly position: Position
    /** The result of `f` for the last item; `initial` if there was none. */
    readonly accumulator: A
  }>

  /**
   * Acknowledges everything before `position`, durably. Does nothing if it is acknowledged already.
   * @throws {RangeError} no pop of this handle returned `position` (in format 1: it lies beyond the producer's)
   */
  advance(position: Position): Promise<void>
}
