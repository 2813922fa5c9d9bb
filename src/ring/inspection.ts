import type { Position } from '../position.ts'
import type { ByteRange, PopManyOptions, PoppedItem } from './types.ts'

// The state of a ring as it is seen without a role.

/**
 * Counts of a ring of format 2 since its creation, and the consumer's lag. `commits`, `fullPushes`, `damagedItems` and
 * `missedItems` are written with the next checkpoint, so a crash can lose the latest ones.
 */
export interface RingStats {
  /** Items committed. */
  readonly committedItems: number
  /** Bytes of these, modulo 2^48. */
  readonly committedBytes: number
  /** Items acknowledged or skipped. */
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
   * The lag of the consumer: the time from the push of the oldest unacknowledged item to the producer's last write, in
   * milliseconds, by its clock. 0 if there is none; absent if the header of its batch, which has the time, is damaged.
   */
  readonly lagMs?: number
  /**
   * Push time of the oldest unacknowledged item, in milliseconds since 1970, by the producer's clock, even if that item
   * is damaged. Absent if there is none, or it is unknown; `waitingItems` distinguishes the two.
   */
  readonly oldestAt?: number
  /**
   * Time of the producer's last slot write, in milliseconds since 1970, by its clock. Approximate while it is running.
   */
  readonly producerAt: number
  /** Time of the consumer's last slot write, likewise. */
  readonly consumerAt: number
}

/** Options of an inspection. */
export interface InspectOptions {
  /**
   * Read around unreadable sectors, and report them. Default false. Format 1 ignores it and throws `BLOCK_IO`, because
   * a caller should not act on a part of its state.
   */
  readonly salvage?: boolean
  /** The largest item that `items` reads, in bytes, as for a consumer. Default 16 MiB. */
  readonly maxItemBytes?: number
  /** Ends the call, and the iteration of its items, between two reads, with the signal's reason. */
  readonly signal?: AbortSignal
}

/** A ring's state, as `inspectRing` found it. */
export interface RingInspection {
  /** The format's number. */
  readonly format: 1 | 2
  /** Format 2: the properties that the ring was created with. */
  readonly ring?: {
    /** Its identity. */
    readonly uuid: string
    /** Its label; may be empty. */
    readonly name: string
    /** Bytes in a block. */
    readonly blockSize: number
    /** The producer's behaviour when the ring is full. */
    readonly onFull: 'wait' | 'overwrite'
  }
  /** Bytes in a sector. */
  readonly sectorSize: number
  /** Sectors of the device. */
  readonly sizeSectors: number
  /** The producer's last write. */
  readonly producer: {
    /** The end of the committed items. */
    readonly position: Position
    /** True if it has granted the suspend request. */
    readonly suspendAck: boolean
    /** The label in the producer's slot or pointer sector; empty before its first write. */
    readonly text: string
  }
  /** The consumer's last write. */
  readonly consumer: {
    /** The end of the acknowledged items. */
    readonly position: Position
    /** True if it requests a pause. */
    readonly suspend: boolean
    /** The label in its slot or pointer sector; empty before its first write. */
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
  /** Counts and times since the creation; unknown in format 1. */
  readonly stats?: RingStats
  /** With `salvage`, in format 2: the unreadable bytes. If there are any, the rest may be out of date or incomplete. */
  readonly unreadable?: readonly ByteRange[]
  /**
   * The items that were unacknowledged at the time of the call, oldest first, except those acknowledged meanwhile.
   * @throws {RingError} `RING_CORRUPT`
   * @throws {BlockError} with `salvage`, after the last readable item, if something is unreadable
   */
  items(): AsyncIterable<PoppedItem>
  /**
   * The items that were unacknowledged at the time of the inspection, newest first; those acknowledged meanwhile may be
   * left out. It reads only as far as it is iterated, and stops at damage. `items` reads from the other end.
   * @throws {RingError} `RING_UNSUPPORTED` in format 1, whose records can only be found forward; `RING_CORRUPT`, also
   *   where damage hides earlier items; `RING_ITEM_TOO_LARGE`
   */
  newest(): AsyncIterable<PoppedItem>
  /**
   * The items before the consumer's position that are still on the device, newest first: acknowledged, or skipped
   * because a ring that overwrites had given them up. Each is in a batch that verifies completely, and from which the
   * log led to the consumer's position. The iteration ends at the first batch that does not verify, usually because a
   * later item has overwritten it.
   * @throws {RingError} `RING_UNSUPPORTED` in format 1, which has no checksums; `RING_CORRUPT`, also if the batch of
   *   the consumer's position is damaged; `RING_ITEM_TOO_LARGE`
   */
  consumed(): AsyncIterable<PoppedItem>
  /** Reads the items committed after this inspection, as they come, without a role. */
  follow(): RingFollower
}

/** Options of `RingFollower.read`. */
export type FollowOptions = Omit<PopManyOptions, 'from'>

/** The result of `RingFollower.read`. */
export interface Followed {
  /** The next items; empty if there are none yet. */
  readonly items: readonly PoppedItem[]
  /** Format 2: the number of earlier items that were overwritten before they were read, acknowledged or not. */
  readonly missedItems?: number
  /**
   * Format 1, which does not count items, and where acknowledged bytes cannot be trusted: the bytes of the log before
   * these items that were acknowledged before they were read.
   */
  readonly missedBytes?: number
}

/** Reads on after an inspection, without a role. It does not hold the ring's space. */
export interface RingFollower {
  /**
   * The next committed items. Does not wait: call it again after a pause.
   * @throws {RingError} `RING_DAMAGED`, `RING_ITEM_TOO_LARGE`: the next call continues after that item. In format 1,
   *   `RING_CORRUPT` for a damaged record, which the next call throws again
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`
   * @throws the signal's reason
   */
  read(options?: FollowOptions): Promise<Followed>
}
