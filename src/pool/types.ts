import type { Clock } from '../clock.ts'
import type { LeaseOptions } from '../ring/lease-types.ts'
import type { NewRingOptions } from '../ring/types.ts'

/** Options of creating a pool. */
export interface CreatePoolOptions {
  /** Create the pool even if the device holds something else, also a ring: its superblocks are wiped. Default false. */
  readonly eraseOther?: boolean
  /** The pool's identity, 16 bytes. Default random. */
  readonly uuid?: Uint8Array
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** Options of opening a pool. */
export interface PoolOptions {
  /**
   * Name of the program, for people: it is shown to programs that have to wait for its change of the pool. Default
   * `unknown`.
   */
  readonly client?: string
  /**
   * Lease the directory of the pool for each change, and the roles of a ring that is removed, so that no other host has
   * them at the same time. Taking a lease takes 2.5 s. Default: no lease.
   */
  readonly lease?: LeaseOptions
  /** Ends the wait for a lease, with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** A ring in a pool. */
export interface PoolRingInfo {
  /** Its name in the pool. */
  readonly name: string
  /** Bytes of its device. */
  readonly sizeBytes: number
  /** Its offset on the pool's device, in bytes. */
  readonly offset: number
}

/** The rings of a pool, and its free space. */
export interface PoolStatus {
  /** The pool's identity. */
  readonly uuid: string
  /** Bytes of the device that the pool uses; see {@link Pool.grow}. */
  readonly sizeBytes: number
  /** Bytes that belong to no ring. */
  readonly freeBytes: number
  /** The largest ring that there is room for, in bytes. */
  readonly largestFreeBytes: number
  /** In the order of their names. */
  readonly rings: readonly PoolRingInfo[]
}

/**
 * A ring that is added to a pool. The sizes of its items, and their number, are bounded as in any ring: see
 * `NewRingOptions`.
 */
export interface AddRingOptions extends NewRingOptions {
  /** Bytes of the ring's device, rounded up to a multiple of 64 KiB. */
  readonly sizeBytes: number
}

/** Options of removing a ring from a pool. */
export interface RemoveRingOptions {
  /** Remove the ring even if it has unacknowledged items, or cannot be read. Default false. */
  readonly discardItems?: boolean
}
