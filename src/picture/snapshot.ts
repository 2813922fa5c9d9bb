import type { BlockHolder } from '../block/device.ts'
import type { RingInspection, RingStats } from '../ring/inspection.ts'
import type { LeaseState } from '../ring/lease-types.ts'
import { fillOf, oldestAgeOf } from '../ring/report/fill-and-age.ts'
import type { ByteRange } from '../ring/types.ts'

// The state of a ring at one time. It is sent to the page as JSON, so it has no big integers and no functions.

/** The purpose of a part of the device. */
export type PartKind = 'guard' | 'superblock' | 'slot' | 'lease'

/** A structure with a fixed place on the device. */
export interface Part extends ByteRange {
  readonly kind: PartKind
  /** As `sbr verify` and `sbr dump` call it: `producer slot 2`. */
  readonly name: string
  /** Its content now, for people. */
  readonly note: string
  /** True if it is the current one of its kind: of two slots, the newer one. */
  readonly current: boolean
}

/** Something wrong at a place of the device. */
export interface Damage extends ByteRange {
  readonly severity: 'warning' | 'damage'
  readonly structure: string
  readonly problem: string
  /** Unacknowledged items that are lost with it; absent if unknown. */
  readonly items?: number
}

/** An epoch that begins in the part of the log that is in use. */
export interface EpochMark {
  readonly epoch: number
  /** Its offset on the device, in bytes. */
  readonly offset: number
}

/** The part of the data area that is in use. */
export interface LogSeen {
  /** Bytes from `head` on, wrapping around the end of the data area. */
  readonly used: number
  /** Device offset of the oldest unacknowledged item, in bytes. */
  readonly head: number
  /** Offset of the next batch or record. */
  readonly tail: number
}

/** The state of a role. */
export interface RoleSeen {
  /** Absent if its slots are damaged. */
  readonly position?: string
  /** The names that it left on the device. */
  readonly text: string
  /** The time of its last slot write, in milliseconds since 1970, by its own clock. Unknown in format 1. */
  readonly writtenAt?: number
  /** The holder on this machine: null if there is none, absent if the device cannot tell. */
  readonly holder?: BlockHolder | null
  /** Absent in format 1. */
  readonly lease?: LeaseState
}

/** A ring as it was found. */
export interface RingSeen {
  /** The device, as it was given on the command line. */
  readonly device: string
  /** The time of the read, in milliseconds since 1970, by this machine's clock. */
  readonly at: number
  readonly format: 1 | 2
  /** Format 2: what the ring was created with. */
  readonly ring?: RingInspection['ring']
  readonly deviceBytes: number
  /** Everything but the data area, in the order of the device. */
  readonly parts: readonly Part[]
  /** The data area. */
  readonly data: ByteRange
  /** The part in use. Absent if both slots of a role are damaged: then the place of the log is unknown. */
  readonly log?: LogSeen
  /** Newest last. None in format 1. */
  readonly epochs: readonly EpochMark[]
  /** The current epoch; absent in format 1. */
  readonly epoch?: number
  /** Unknown in format 1, like the next two. */
  readonly waitingItems?: number
  readonly waitingBytes?: number
  readonly stats?: RingStats
  readonly producer: RoleSeen
  readonly consumer: RoleSeen
  readonly suspended: 'no' | 'requested' | 'yes'
  /** Damage of the metadata, and unreadable parts. */
  readonly damage: readonly Damage[]
}

/** The reason why the state of a device is unknown. */
export interface RingUnseen {
  readonly device: string
  readonly at: number
  readonly error: { readonly code: string; readonly message: string }
}

export type Snapshot = RingSeen | RingUnseen

export function isSeen(snapshot: Snapshot): snapshot is RingSeen {
  return !('error' in snapshot)
}

/** The fill level of a ring, from 0 to 1, if it is known. */
export function fillOfRing({ log, data }: RingSeen): number | undefined {
  return log === undefined ? undefined : fillOf({ usedBytes: log.used, capacityBytes: data.bytes })
}

/**
 * The age of the oldest item, in milliseconds; 0 if its producer's clock is ahead; undefined if there is none, or it is
 * unknown.
 */
export function waitedOf({ at, stats }: RingSeen): number | undefined {
  const age = oldestAgeOf(at, stats)
  return age === undefined ? undefined : Math.max(0, age)
}
