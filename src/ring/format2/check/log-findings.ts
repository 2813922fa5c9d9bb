import type { RingError } from '../../../errors.ts'
import type { FindingSink } from '../../report/finding.ts'
import { BATCH_HEADER_BYTES, type BatchHeader } from '../disk/batch.ts'
import { textOf } from '../disk/block.ts'
import type { FlippedBit } from '../disk/correct.ts'
import type { Disk } from '../disk/disk.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { offsetIn } from '../disk/offset-in.ts'
import type { BatchProblem } from '../log/diagnose.ts'
import { REPAIR } from './check-blocks.ts'
import type { Unreadable } from './unreadable.ts'

/** The advice for lost items. */
export const SKIP =
  'nothing repairs it; a consumer that skips damage (sbr consume --skip-damage, onDamage: skip) continues after it, and counts it'
const ZERO =
  'no role can read past it; sbr repair --zero-unreadable --write gives it up: a consumer that skips damage (sbr consume --skip-damage, onDamage: skip) then continues after it'
const LAST_COMMIT =
  'it may contain the last items; sbr repair --zero-unreadable --write gives it up'
const CONTRADICTION =
  'no consumer can continue; sbr dump shows the slots: once both of a role are damaged, sbr repair --rebuild --write rebuilds them from the log'

/** The structures in which a flipped bit can be corrected. */
export function structureOf({ at }: FlippedBit): 'batch header' | 'table' {
  return at < BATCH_HEADER_BYTES ? 'batch header' : 'table'
}

/** Sequence numbers of items, from the first to the one after the last. */
export interface ItemRange {
  readonly from: number
  readonly to: number
}

/** Turns problems of the log into findings, with the loss and the advice. */
export class LogFindings {
  readonly #disk: Disk
  readonly #findings: FindingSink
  readonly #unreadable: Unreadable

  /** @param unreadable receives what each unreadable sector costs */
  constructor(disk: Disk, findings: FindingSink, unreadable: Unreadable) {
    this.#disk = disk
    this.#findings = findings
    this.#unreadable = unreadable
  }

  /**
   * Adds a problem of a batch, or of the blocks where a batch should be.
   * @param start where it begins
   * @param end where the log continues
   * @param lost the unacknowledged items that it costs
   */
  add(found: BatchProblem, start: LogPosition, end: LogPosition, lost: ItemRange): void {
    const { structure, offset, problem, items } = found
    const { from, to } = lost
    const count = Math.max(0, to - from)
    const reason = this.#unreadable.reasonInLog(start.lsn, found.at, found.bytes)
    const finding = { offset, structure, problem: reason ?? textOf(problem), items: count }
    const numbers = count === 0 ? {} : { numbers: { first: from + 1, last: to } }
    if (reason !== undefined) {
      const loss = count === 0 ? undefined : `items ${from + 1} to ${to}`
      const blocks = items === undefined ? end.lsn - start.lsn : 0
      const bytes = Math.max(found.bytes, blocks * this.#disk.layout.blockSize)
      this.#unreadable.coverInLog(start.lsn, items === undefined ? 0 : found.at, bytes, loss)
      this.#findings.add({ ...finding, ...numbers, severity: 'damage', advice: ZERO })
    } else if (count === 0) {
      const advice = 'nothing is lost: no unacknowledged item is affected'
      this.#findings.add({ ...finding, severity: 'warning', advice })
    } else {
      this.#findings.add({ ...finding, ...numbers, severity: 'damage', advice: SKIP })
    }
  }

  /** Adds a flipped bit that was corrected. */
  addFlipped(header: BatchHeader, flipped: FlippedBit): void {
    this.#findings.add({
      severity: 'warning',
      offset: offsetIn(this.#disk, header.start.lsn, flipped.at),
      structure: structureOf(flipped),
      problem: `bit ${flipped.bit} of this byte is flipped`,
      advice: `no item is lost: it is read as it was written; ${REPAIR}`,
    })
  }

  /** Adds that the log may go on after its apparent end, where blocks are unreadable. */
  addEnd(lsn: number, blocks: number): void {
    const bytes = blocks * this.#disk.layout.blockSize
    const problem = this.#unreadable.reasonInLog(lsn, 0, bytes)
    if (problem === undefined) return
    this.#unreadable.coverInLog(lsn, 0, bytes, 'the last items, if they are there')
    const finding = { offset: this.#disk.offsetOf(lsn), structure: 'end of the log', problem }
    this.#findings.add({ ...finding, severity: 'damage', advice: LAST_COMMIT })
  }

  /** Adds that slots and log contradict each other, so that no role can read on. */
  addUnreadable({ message }: RingError): void {
    this.#findings.add({
      severity: 'damage',
      offset: this.#disk.layout.slots.offset,
      structure: 'slots',
      problem: message,
      advice: CONTRADICTION,
    })
  }

  /** Adds that the slots of the two roles contradict each other. */
  addContradiction(problem: string): void {
    this.#findings.add({
      severity: 'warning',
      offset: Math.min(...this.#disk.layout.consumerSlots),
      structure: 'consumer slots',
      problem,
      advice: 'normal after a power cut; the next start of the producer corrects it',
    })
  }
}
