import type { Clock } from '../../clock.ts'
import type { OptionKinds } from '../../util/options.ts'

/** The severity of a finding: `warning` costs nothing, and is normal after a power cut; `damage` needs action. */
export type Severity = 'warning' | 'damage'

/** A problem at an offset of a device. */
export interface Finding {
  /** Its severity. */
  readonly severity: Severity
  /** Its offset on the device, in bytes. */
  readonly offset: number
  /** The structure there, such as `producer slot 2`. */
  readonly structure: string
  /** Describes the problem. */
  readonly problem: string
  /** The number of unacknowledged items that it costs; absent if that is unknown. */
  readonly items?: number
  /** The items concerned, counted from 1, in format 2. */
  readonly numbers?: {
    /** The number of the first one. */
    readonly first: number
    /** The number of the last one. */
    readonly last: number
  }
  /** Describes what to do about it. */
  readonly advice: string
}

/** The most findings that a report lists. Further ones are only counted. */
const MAX_FINDINGS = 1000

/** Receives findings one by one. */
export interface FindingSink {
  add(finding: Finding): void
}

/** Findings in bounded memory. */
export class Findings implements FindingSink {
  readonly list: Finding[] = []
  #count = 0
  #damaged = false
  #items = 0

  add(finding: Finding): void {
    if (finding.severity === 'damage') this.#damaged = true
    this.#items += finding.items ?? 0
    this.#count++
    if (this.list.length < MAX_FINDINGS) this.list.push(finding)
  }

  /** True if nothing is damaged. */
  get sound(): boolean {
    return !this.#damaged
  }

  /** The number of lost items, as far as it is known. */
  get damagedItems(): number {
    return this.#items
  }

  /** The number of findings that are not listed. */
  get more(): number {
    return this.#count - this.list.length
  }
}

/** Counts of what was read of the log, from the oldest unacknowledged item on. */
export interface LogCounts {
  /** Blocks in use; in format 1, sectors. */
  readonly blocks: number
  /** Free blocks of the data area, whose content is meaningless and was not checked. */
  readonly freeBlocks: number
  /** Sound batches; 0 in format 1. */
  readonly batches: number
  /** Sound unacknowledged items. */
  readonly items: number
  /** Their bytes. */
  readonly bytes: number
}

/** The result of `verifyRing`. */
export interface RingReport {
  /** The format’s number. */
  readonly format: 1 | 2
  /** True if nothing is damaged. */
  readonly sound: boolean
  /** In the order in which they were found, at most 1,000. */
  readonly findings: readonly Finding[]
  /** The number of findings that are not listed. */
  readonly moreFindings: number
  /** The number of unacknowledged items that are lost, as far as it is known. */
  readonly damagedItems: number
  /** Absent if the log could not be read. */
  readonly log?: LogCounts
}

/** Options of a verification. */
export interface VerifyOptions {
  /** Called now and then with the progress in the log, or on the device while a superblock is searched. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Ends the verification with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** Types of the options of a check. */
export const VERIFY_KINDS: OptionKinds<VerifyOptions> = {
  onProgress: 'function',
  signal: 'signal',
  clock: 'object',
}

/** Builds the report. */
export function reportOf(
  format: 1 | 2,
  findings: Findings,
  log: LogCounts | undefined,
): RingReport {
  const { sound, list, more, damagedItems } = findings
  const report = { format, sound, findings: list, moreFindings: more, damagedItems }
  return log === undefined ? report : { ...report, log }
}
