import type { Finding, VerifyOptions } from './finding.ts'

/** How a ring is repaired. */
export interface RepairOptions extends VerifyOptions {
  /**
   * The format of the ring, where its guard is gone, so that nothing else tells whether what seems to be a ring of format 2 is one.
   * Default: what the device says.
   */
  readonly format?: 2
  /** Write. Default false: only what would be written is told. */
  readonly write?: boolean
  /**
   * Where both slots of a role are damaged, make them from what is in the data area. Items may then be delivered again, or
   * counted anew. Default false.
   */
  readonly rebuild?: boolean
  /**
   * Read all of the ring, and write zeroes to the sectors that cannot be read and of which there is no copy. What was there
   * is given up; where it was items, that is damage which a consumer can step over. Default false.
   */
  readonly zeroUnreadable?: boolean
}

/** One thing that a repair writes. */
export interface RepairAction {
  /** Where, in bytes from the device's start. */
  readonly offset: number
  readonly structure: string
  /** What is written, and from what, for people. */
  readonly action: string
  /** What that costs, for people; absent if it costs nothing. */
  readonly cost?: string
}

/** What `repairRing` did, or would do. */
export interface RepairReport {
  readonly format: 1 | 2
  /** Whether the actions were carried out. */
  readonly written: boolean
  /** In the order of writing. */
  readonly actions: readonly RepairAction[]
  /**
   * What stays damaged, 1,000 at most: leases, and items that are gone. Where both slots of a role are damaged and are not
   * made anew, batches are not looked at, because nothing tells where the log is.
   */
  readonly left: readonly Finding[]
  /** How many more findings stay than are listed. */
  readonly moreLeft: number
}
