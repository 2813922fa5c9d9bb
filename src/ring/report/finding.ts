import type { Clock } from '../../clock.ts'
import type { OptionKinds } from '../../util/options.ts'

/** How bad a finding is: `warning` loses nothing, and is normal after a power cut; `damage` needs action. */
export type Severity = 'warning' | 'damage'

/** Something wrong at an offset of a device. */
export interface Finding {
  /** How bad it is. */
  readonly severity: Severity
  /** Where it is, in bytes from the device's start. */
  readonly offset: number
  /** What is there, such as `producer slot 2`. */
  readonly structure: string
  /** What is wrong with it, for people. */
  readonly problem: string
  /** Unacknowledged items that are lost with it; absent if that is unknown. */
  readonly items?: number
  /** Which items are concerned, counted from 1, in format 2. */
  readonly numbers?: {
    /** The number of the first one. */
    readonly first: number
    /** The number of the last one. */
    readonly last: number
  }
  /** What to do about it, for people. */
  readonly advice: string
}

/** Findings that a report lists; more are only counted. */
const MAX_FINDINGS = 1000

/** Takes findings one by one. */
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

  /** Lost items, as far as that is known. */
  get damagedItems(): number {
    return this.#items
  }

  /** How many findings are not in the list. */
  get more(): number {
    return this.#count - this.list.length
  }
}

/** What was read of the log, from the oldest unacknowledged item on. */
export interface LogCounts {
  /** Blocks that are in use; in format 1 these are sectors. */
  readonly blocks: number
  /** Free blocks of the data area: their content means nothing, and was not checked. */
  readonly freeBlocks: number
  /** Batches that are sound; none in format 1. */
  readonly batches: number
  /** Unacknowledged items that are sound. */
  readonly items: number
  /** Their bytes. */
  readonly bytes: number
}

/** What `verifyRing` found. */
export interface RingReport {
  /** The format’s number. */
  readonly format: 1 | 2
  /** True if nothing is damaged. */
  readonly sound: boolean
  /** In the order in which they were found, 1,000 at most. */
  readonly findings: readonly Finding[]
  /** How many findings are not listed. */
  readonly moreFindings: number
  /** Unacknowledged items that are lost, as far as that is known. */
  readonly damagedItems: number
  /** Absent if the log could not be read. */
  readonly log?: LogCounts
}

/** How a ring is verified. */
export interface VerifyOptions {
  /** Called now and then with how much of the log was read, or of the device while a superblock is searched. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Ends it with the signal's reason. */
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

/** A report of the findings and of what was read. */
export function reportOf(
  format: 1 | 2,
  findings: Findings,
  log: LogCounts | undefined,
): RingReport {
  const { sound, list, more, damagedItems } = findings
  const report = { format, sound, findings: list, moreFindings: more, damagedItems }
  return log === undefined ? report : { ...report, log }
}
