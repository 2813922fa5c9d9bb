import type { Position } from '../position.ts'
import type { ByteRange, PopManyOptions, PoppedItem } from './types.ts'

// What is seen of a ring without a role.

/**
 * What happened in a ring of format 2 since it was made, and how far the consumer lags. `commits`, `fullPushes`,
 * `damagedItems` and `missedItems` are written with the next checkpoint: a crash can lose the last ones.
 */
export interface RingStats {
  /** Items made visible. */
  readonly committedItems: number
  /** Bytes of these, modulo 2^48. */
  readonly committedBytes: number
  /** Items acknowledged, or skipped. */
  readonly acknowledgedItems: number
  /** Bytes of these, modulo 2^48. */
  readonly acknowledgedBytes: number
  /** Items that were damaged and skipped. */
  readonly damagedItems: number
  /** Items that were overwritten before they were acknowledged, in a ring that overwrites. */
  readonly missedItems: number
  /** Writes that committed something. */
  readonly commits: number
  /** Pushes that found no room. */
  readonly fullPushes: number
  /**
   * How much earlier the oldest unacknowledged item was pushed than the producer last wrote, in milliseconds, by its clock. 0 if there
   * is none; absent if the header of its batch, which says when it was pushed, is damaged.
   */
  readonly lagMs?: number
  /**
   * When the oldest unacknowledged item was pushed, in milliseconds since 1970, by the producer's clock, even if that item is damaged.
   * Absent if there is none, or if that is unknown; `waitingItems` says which.
   */
  readonly oldestAt?: number
  /** When the producer last wrote its slot, in milliseconds since 1970, by its clock. Approximate while it is running. */
  readonly producerAt: number
  /** When the consumer last wrote its slot, likewise. */
  readonly consumerAt: number
}

/** How a ring is inspected. */
export interface InspectOptions {
  /**
   * Read around unreadable sectors, and report them. Default false, and always so in format 1: there `BLOCK_IO` is thrown, because a
   * caller should not act on a part of the state.
   */
  readonly salvage?: boolean
  /** The largest item that `items` reads, in bytes; as for a consumer. Default 16 MiB. */
  readonly maxItemBytes?: number
  /** Ends the call between two reads, with the signal's reason, and also what `items` reads. */
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
    /** Its name for people; may be empty. */
    readonly name: string
    /** Bytes in a block. */
    readonly blockSize: number
    /** What happens when there is no room. */
    readonly onFull: 'wait' | 'overwrite'
  }
  /** Bytes in a sector. */
  readonly sectorSize: number
  /** Sectors of the device. */
  readonly sizeSectors: number
  /** What the producer last wrote. */
  readonly producer: {
    /** The end of what is committed. */
    readonly position: Position
    /** True if it has acknowledged the suspend request. */
    readonly suspendAck: boolean
    /** The text for people in the producer's sector; empty before its first write. */
    readonly text: string
  }
  /** What the consumer last wrote. */
  readonly consumer: {
    /** The end of what is acknowledged. */
    readonly position: Position
    /** True if it asks the producer to pause. */
    readonly suspend: boolean
    /** The text for people in its sector; empty before its first write. */
    readonly text: string
  }
  /** Bytes of the data area. */
  readonly capacityBytes: number
  /** Bytes of the data area that are in use. */
  readonly usedBytes: number
  /** Bytes of the data area that are free. */
  readonly freeBytes: number
  /** Unacknowledged items; unknown in format 1. */
  readonly waitingItems?: number
  /** Their bytes; unknown in format 1. */
  readonly waitingBytes?: number
  /** What happened so far; unknown in format 1. */
  readonly stats?: RingStats
  /** With `salvage`, in format 2: what was unreadable. If anything was, the rest may be out of date or incomplete. */
  readonly unreadable?: readonly ByteRange[]
  /**
   * The items that were unacknowledged at the time of the call, oldest first, except those acknowledged meanwhile.
   * @throws {RingError} `RING_CORRUPT`
   * @throws {BlockError} with `salvage`, after the last readable item, if something is unreadable
   */
  items(): AsyncIterable<PoppedItem>
  /**
   * The items that waited when the ring was inspected, newest first; those acknowledged meanwhile may be left out. It reads no more than is
   * asked for, and stops at what is damaged: `items` reads from the other side.
   * @throws {RingError} `RING_UNSUPPORTED` in format 1, whose records can only be found forward; `RING_CORRUPT`, also where damage hides
   *   earlier items; `RING_ITEM_TOO_LARGE`
   */
  newest(): AsyncIterable<PoppedItem>
  /**
   * The items before the consumer's position that are still on the device, newest first: acknowledged, or skipped because a ring that
   * overwrites had given them up. Each is of a batch that verifies as a whole, and that the log led from to the consumer's position. It ends
   * where none does any more: mostly because a later item has overwritten it.
   * @throws {RingError} `RING_UNSUPPORTED` in format 1, which has no checksums; `RING_CORRUPT`, also if the batch of the consumer's position
   *   is damaged; `RING_ITEM_TOO_LARGE`
   */
  consumed(): AsyncIterable<PoppedItem>
  /** Reads the items that were committed after this inspection, as they come, without a role. */
  follow(): RingFollower
}

/** What `RingFollower.read` takes. */
export type FollowOptions = Omit<PopManyOptions, 'from'>

/** What `RingFollower.read` returns. */
export interface Followed {
  /** The next items; none if there are none now. */
  readonly items: readonly PoppedItem[]
  /** Format 2: how many items before these were overwritten, acknowledged or not, before they were read. */
  readonly missedItems?: number
  /**
   * Format 1, which does not count items, and where nothing that is acknowledged can be trusted: how many bytes of the log before these
   * were acknowledged before they were read.
   */
  readonly missedBytes?: number
}

/** Reads on after an inspection, without a role; nothing waits for it. */
export interface RingFollower {
  /**
   * The next committed items. Does not wait: call it again after a pause.
   * @throws {RingError} `RING_DAMAGED`, `RING_ITEM_TOO_LARGE`: the next call continues after that. In format 1, `RING_CORRUPT` for a damaged
   *   record, and the next call throws it again
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`
   * @throws the signal's reason
   */
  read(options?: FollowOptions): Promise<Followed>
}
