import type { BlockDevice } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import type { Position } from '../position.ts'
import type { LeaseOptions } from './lease-types.ts'

/** Bytes of a device. */
export interface ByteRange {
  /** Where they begin, in bytes from the device's start. */
  readonly offset: number
  readonly bytes: number
}

/** Whether the consumer's wish to pause was granted by the producer. */
export type RingState = 'running' | 'suspended'

/** The queue's and the program's names, for the text that people read. */
export interface Names {
  readonly queue: string
  readonly client: string
}

/** How a role is attached. */
export interface AttachOptions {
  /** Name of the queue, for people: it is written as text into the pointer sectors. Default `unknown`. */
  readonly queue?: string
  /** Name of the program, for people: as `queue`. Default `unknown`. */
  readonly client?: string
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** Ends attaching between two reads, with the signal's reason. */
  readonly signal?: AbortSignal
  /**
   * How long a role may rely on what it last saw of the other side's sector, in milliseconds, before it
   * looks again: bounds how late a producer notices a wish to suspend while it is pushing. Default 10;
   * 0 looks on every push.
   */
  readonly refreshIntervalMs?: number
  /**
   * The largest item that is pushed or popped, in bytes, if the ring has room for it: bounds the memory that an item can take. A
   * larger one that is popped all the same is told with `RING_ITEM_TOO_LARGE` and the position behind it, to which one may advance.
   * Default 16 MiB.
   */
  readonly maxItemBytes?: number
  /** Lease the role on the device, so that no other host has it at the same time (format 2). Default: no lease. */
  readonly lease?: LeaseOptions
}

/** How a consumer is attached. */
export interface ConsumerOptions extends AttachOptions {
  /**
   * What to do where items were damaged that were there once (format 2; format 1 cannot tell): `stop` throws
   * `RING_DAMAGED` with the position behind the damage, to which one may advance; `skip` accounts for them and goes
   * on with what is sound. Default `stop`.
   */
  readonly onDamage?: 'stop' | 'skip'
  /** Whether other programs on this machine may have this consumer suspend and resume the ring. Default true. */
  readonly answerRequests?: boolean
}

/** How a ring is created. */
export interface CreateOptions {
  /**
   * 2 has checksums, and commits with one write; 1 is what the original reads and writes, and trusts its device.
   * Default 2.
   */
  readonly format?: 1 | 2
  /** Create the ring even where something else is. Default false. */
  readonly overwrite?: boolean
  /**
   * Format 2: what the producer does when there is no room: `wait` has writers wait, and nothing is lost;
   * `overwrite` gives up the oldest items, for telemetry that would rather lose these than wait. Default `wait`.
   */
  readonly onFull?: 'wait' | 'overwrite'
  /** Format 2: bytes in a block, the unit of writing: a power of two from 512 to 65536. Default 4096. */
  readonly blockSize?: number
  /** Format 2: a name for people, at most 256 bytes of UTF-8. */
  readonly name?: string
  /** Format 2: the ring's identity, 16 bytes. Default random. */
  readonly uuid?: Uint8Array
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** What `push` answers. */
export type PushResult =
  /** The item is on stable storage, not visible yet; `position` is the one after it. */
  | { readonly status: 'ok'; readonly position: Position }
  /** There is no room now. */
  | { readonly status: 'retry' }
  /** The consumer asked for a pause, which is hereby acknowledged. */
  | { readonly status: 'suspended' }

/** Items that are on stable storage, not visible yet. */
export interface Pushed {
  readonly status: 'ok'
  /** How many there are, from the front. */
  readonly pushed: number
  /** The position after the last of them. */
  readonly position: Position
  /** The position after each of them. */
  readonly positions: readonly Position[]
}

/** What `pushMany` answers. */
export type PushManyResult =
  | Pushed
  | { readonly status: 'retry' }
  | { readonly status: 'suspended' }

/** One item, and the position after it. */
export interface PoppedItem {
  /** A copy that belongs to the caller; those of one call may share a buffer. */
  readonly item: Uint8Array
  readonly position: Position
  /** When the item was pushed, in milliseconds since 1970, by the producer's clock; absent in format 1, which does not record it. */
  readonly pushedAt?: number
  /**
   * How many items before this one were overwritten, in a ring that overwrites the oldest; absent if none were. It is final
   * once this item is given back: until then the power can fail before the overwriting is on the medium, and they come after
   * all, before this one.
   */
  readonly missed?: number
}

/** What `pop` answers. */
export type PopResult =
  | ({ readonly status: 'item' } & PoppedItem)
  /** There is nothing now. */
  | { readonly status: 'retry' }

/** What `popMany` takes. */
export interface PopManyOptions {
  /** Where to start. Default: the consumer's own position. */
  readonly from?: Position
  /** At most this many items. Default 1,000. */
  readonly maxItems?: number
  /** Stop after the item that reaches this many bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /** Ends it between two reads, with the signal's reason: damage is looked behind, which can take long. */
  readonly signal?: AbortSignal
}

/** What `suspend` and `resume` answer. */
export type SuspendResult =
  /** The wish is on the device; `state` tells when it is granted. */
  | { readonly status: 'ok' }
  /** The last wish was not acknowledged yet. */
  | { readonly status: 'retry' }

/** What `attachProducer` answers. */
export type AttachProducerResult =
  | { readonly status: 'attached'; readonly producer: Producer }
  /** The ring is suspended, which is hereby acknowledged. There is no handle: attach again later. */
  | { readonly status: 'suspended' }

/**
 * The pointers as text, under the original's keys: `producer/offset`, `producer/suspend_ack`,
 * `consumer/offset`, `consumer/suspend`.
 */
export type DebugInfo = Readonly<Record<string, string>>

/**
 * What happened in a ring of format 2 since it was made, and how far the consumer is behind. `commits`, `retries`,
 * `damagedItems` and `missedItems` are written down by the way: a crash can take the last ones.
 */
export interface RingStats {
  /** Items made visible. */
  readonly pushedItems: number
  /** Bytes of these, modulo 2^48. */
  readonly pushedBytes: number
  /** Items given back, or stepped over. */
  readonly poppedItems: number
  /** Bytes of these, modulo 2^48. */
  readonly poppedBytes: number
  /** Items that were damaged and stepped over. */
  readonly damagedItems: number
  /** Items that were overwritten before they were popped, in a ring that overwrites. */
  readonly missedItems: number
  /** Writes that made something visible. */
  readonly commits: number
  /** Pushes for which there was no room. */
  readonly retries: number
  /**
   * How much later the producer last wrote than it pushed the oldest item that waits, in milliseconds, by its clock: 0 if none waits,
   * absent if one waits and nothing tells when it was pushed, because the header of its batch is damaged.
   */
  readonly lagMs?: number
  /**
   * When the oldest item that waits was pushed, in milliseconds since 1970, by the producer's clock, also if that item is damaged.
   * Absent if none waits, or if nothing tells; `waitingItems` says which.
   */
  readonly oldestAt?: number
  /** When each side last wrote its slot, in milliseconds since 1970, by its own clock: about, when it is at work. */
  readonly producerAt: number
  readonly consumerAt: number
}

/** How a ring is inspected. */
export interface InspectOptions {
  /**
   * Read around sectors that cannot be read, and say which these are. Default false, and always so in format 1: their
   * `BLOCK_IO` passes, because who acts on what is told should not act on a part of it.
   */
  readonly salvage?: boolean
  /** The largest item that `items` reads, in bytes; as for a consumer. Default 16 MiB. */
  readonly maxItemBytes?: number
  /** Ends it between two reads, with the signal's reason; so it does what `items` reads. */
  readonly signal?: AbortSignal
}

/** A ring's state, as `inspectRing` found it. */
export interface RingInspection {
  /** The format's number. */
  readonly format: 1 | 2
  /** Format 2: what the ring was created with. */
  readonly ring?: {
    /** Its identity. */
    readonly uuid: string
    readonly name: string
    readonly blockSize: number
    readonly onFull: 'wait' | 'overwrite'
  }
  /** Bytes in a sector. */
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly producer: {
    readonly offset: Position
    readonly suspendAck: boolean
    /** The text for people in the producer's sector; empty before its first write. */
    readonly text: string
  }
  readonly consumer: {
    readonly offset: Position
    readonly suspend: boolean
    readonly text: string
  }
  /** Bytes of the data area. */
  readonly capacity: number
  /** Bytes of the data area that are in use. */
  readonly used: number
  readonly free: number
  /** Items that wait for the consumer; format 1 does not tell. */
  readonly waitingItems?: number
  /** Bytes of these items; format 1 does not tell. */
  readonly waitingBytes?: number
  /** What happened so far; format 1 does not tell. */
  readonly stats?: RingStats
  /** With `salvage`, in format 2: what could not be read on the way here. If there is any, all the rest may be too old, or too little. */
  readonly unreadable?: readonly ByteRange[]
  /**
   * The items that waited at the time of the call, oldest first; those given back meanwhile are left out.
   * @throws {RingError} `RING_CORRUPT`
   * @throws {BlockError} with `salvage`, behind the last item that can be read, if something cannot
   */
  items(): AsyncIterable<PoppedItem>
}

/** What both roles have. */
export interface RingRole extends AsyncDisposable {
  readonly device: BlockDevice
  /** The format's number; how its positions are shown depends on it. */
  readonly format: 1 | 2
  readonly queue: string
  readonly client: string
  /** Bytes of the data area: what all records together can take. */
  readonly capacity: number
  /** Length of the largest item, in bytes. */
  readonly maxItemBytes: number
  /** What happens when there is no room; see {@link CreateOptions}. */
  readonly onFull: 'wait' | 'overwrite'
  /**
   * Bytes of the ring's log before this role's place, counted since it was created: what lies between the producer's
   * and the consumer's is in use.
   */
  readonly logOffset: bigint

  /**
   * What is on the device, read anew.
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`, `RING_CLOSED`
   */
  debugInfo(): Promise<DebugInfo>

  /** Gives the role back; the device stays connected. Never fails; can be called again. */
  close(): Promise<void>
}

/** How a producer finds room. */
export interface PushOptions {
  /**
   * Ends the search for room between two reads, never a write: a ring that overwrites is read to find the next item to keep, and
   * where it is damaged, that can take long.
   */
  readonly signal?: AbortSignal
}

/**
 * The end that pushes. Calls may overlap: they are done in the order of calling.
 *
 * Faults are thrown, by every method: {@link RingError} `RING_CLOSED`; `RING_POISONED` after a failed
 * write or flush; `RING_CORRUPT` and `RING_UNSTABLE` when the device holds what cannot be;
 * `RING_ROLE_CONFLICT` when another producer wrote; {@link BlockError} as the device throws it. After `BLOCK_READ_ONLY` the
 * handle is as it was, and the call can be made again when the device takes writes.
 */
export interface Producer extends RingRole {
  /** Position after the last item pushed, visible or not. */
  readonly position: Position

  /** Looks at the consumer's wish to suspend, acknowledges it, and tells. */
  state(): Promise<RingState>

  /**
   * Puts one item on stable storage, behind those pushed before: a copy of it, made at the call. Nobody sees it before
   * `advance`; if that never comes, it is dropped.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`
   * @throws the signal's reason, before anything is pushed
   */
  push(item: Uint8Array, options?: PushOptions): Promise<PushResult>

  /**
   * As `push`, for as many items from the front as have room, in as few writes as can be. In format 2, where a device refuses one
   * of several writes, or cannot be read before it, the items of those before are answered, and the next call tells.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`, before anything is pushed
   */
  pushMany(items: readonly Uint8Array[], options?: PushOptions): Promise<PushManyResult>

  /**
   * Pushes as many items from the front as have room, and makes them visible with everything pushed before, as one
   * step: nothing of this handle comes between. In format 2 that is one durable write. Without items it does nothing.
   * @throws {RingError} `RING_ITEM_TOO_LARGE`, before anything is pushed
   * @throws the signal's reason, before anything is pushed
   */
  append(items: readonly Uint8Array[], options?: PushOptions): Promise<PushManyResult>

  /**
   * Makes everything pushed before `position` visible, durably. Advancing to where the pointer is already,
   * or behind, does nothing.
   * @throws {RangeError} `position` was not answered by a `push` of this handle
   */
  advance(position: Position, options?: PushOptions): Promise<void>
}

/**
 * The end that pops. Calls may overlap: they are done in the order of calling.
 *
 * Faults are thrown as by {@link Producer}.
 */
export interface Consumer extends RingRole {
  /** The consumer's own position: everything before it was given back. */
  readonly position: Position

  /** Whether the producer acknowledged being suspended. */
  state(): Promise<RingState>

  /** Asks the producer to pause. */
  suspend(): Promise<SuspendResult>

  /** Asks the producer to go on. Resuming a running ring is no error. */
  resume(): Promise<SuspendResult>

  /**
   * Reads the item at `from` (default: the consumer's own position). Changes nothing: repeated calls answer
   * the same item until `advance`.
   * @throws {RangeError} `from` lies before the consumer's position or beyond the producer's, or records
   *   cannot begin there
   */
  pop(from?: Position): Promise<PopResult>

  /** As `pop`, for many items at once; none if there is nothing now. */
  popMany(options?: PopManyOptions): Promise<readonly PoppedItem[]>

  /**
   * Folds over all items from `from` (default: the consumer's own position) until there are no more, and
   * answers the last position with the result. Changes nothing.
   */
  fold<A>(
    f: (accumulator: A, item: Uint8Array, position: Position) => A | Promise<A>,
    initial: A,
    from?: Position,
  ): Promise<{ readonly position: Position; readonly accumulator: A }>

  /**
   * Gives everything before `position` back, durably. Advancing to where the pointer is already, or behind,
   * does nothing.
   * @throws {RangeError} `position` lies beyond the producer's
   */
  advance(position: Position): Promise<void>
}
