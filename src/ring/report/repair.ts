import type { Finding, VerifyOptions } from './finding.ts'

/** How a ring is repaired. */
export interface RepairOptions extends VerifyOptions {
  /**
   * The format of the ring, if its guard is gone, so that nothing else says whether what looks like a ring of format 2 is one.
   * Default: detected.
   */
  readonly format?: 2
  /** Write. Default false: the report says what would be written. */
  readonly write?: boolean
  /**
   * If both slots of a role are damaged, rebuild them from the data area. Items may then be delivered
   * or counted again. Default false.
   */
  readonly rebuild?: boolean
  /**
   * Read all of the ring, and write zeroes to unreadable sectors that have no second copy. Their content is given up; where it was
   * items, that is damage which a consumer can skip. Default false.
   */
  readonly zeroUnreadable?: boolean
}

/** One write of a repair. */
export interface RepairAction {
  /** Where, in bytes from the device's start. */
  readonly offset: number
  /** What is written there, such as `producer slot 2`. */
  readonly structure: string
  /** What is written, and where it comes from, for people. */
  readonly action: string
  /** What is lost by it, for people; absent if nothing is. */
  readonly cost?: string
}

/** What `repairRing` did, or would do. */
export interface RepairReport {
  /** The format’s number. */
  readonly format: 1 | 2
  /** True if the actions were carried out. */
  readonly written: boolean
  /** In the order of writing. */
  readonly actions: readonly RepairAction[]
  /**
   * What stays damaged, 1,000 findings at most: leases, and lost items. If both slots of a role are damaged and are not made from the
   * log, batches are not checked, because nothing says where the log is.
   */
  readonly left: readonly Finding[]
  /** How many more findings stay than are listed. */
  readonly moreLeft: number
}
