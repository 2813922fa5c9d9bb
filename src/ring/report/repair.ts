import type { Finding, VerifyOptions } from './finding.ts'

/** Options of a repair. */
export interface RepairOptions extends VerifyOptions {
  /**
   * The format of a ring whose guard is gone: without a guard, nothing else proves that an apparent ring of format 2 is
   * one. Default: detected.
   */
  readonly format?: 2
  /** Write the repairs. Default false: the report lists what would be written. */
  readonly write?: boolean
  /**
   * If both slots of a role are damaged, rebuild them from the data area. Items may then be delivered
   * or counted again. Default false.
   */
  readonly rebuild?: boolean
  /**
   * Read the whole ring, and write zeroes to unreadable sectors that have no second copy. This gives up their content;
   * lost items become damage that a consumer can skip. Default false.
   */
  readonly zeroUnreadable?: boolean
}

/** One write of a repair. */
export interface RepairAction {
  /** Its offset on the device, in bytes. */
  readonly offset: number
  /** The structure that is written, such as `producer slot 2`. */
  readonly structure: string
  /** Describes what is written, and where it comes from. */
  readonly action: string
  /** Describes what it costs; absent if it costs nothing. */
  readonly cost?: string
}

/** The result of `repairRing`, done or planned. */
export interface RepairReport {
  /** The format’s number. */
  readonly format: 1 | 2
  /** True if the actions were carried out. */
  readonly written: boolean
  /** In the order of writing. */
  readonly actions: readonly RepairAction[]
  /**
   * The damage that remains, at most 1,000 findings: leases, and lost items. If both slots of a role are damaged and
   * not rebuilt, batches are not checked, because the log cannot be found.
   */
  readonly left: readonly Finding[]
  /** The number of further findings that are not listed. */
  readonly moreLeft: number
}
