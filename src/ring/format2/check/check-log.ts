import { type Clock, systemClock } from '../../../clock.ts'
import { isRingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import type { FindingSink, LogCounts, VerifyOptions } from '../../report/finding.ts'
import type { BatchHeader } from '../disk/batch.ts'
import type { FlippedBit } from '../disk/correct.ts'
import { type Cursor, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { currentEpoch } from '../disk/epochs.ts'
import { MAX_BATCH_BYTES } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { ConsumerSlot, ProducerSlot, Slots } from '../disk/slots.ts'
import type { DamagedSegment } from '../log/batch-index.ts'
import { ConsumerLog } from '../log/consumer-log.ts'
import { type BatchProblem, diagnoseBatch } from '../log/diagnose.ts'
import type { Loss } from '../log/found.ts'
import type { ReadBatch } from '../log/log-reader.ts'
import { firstTorn, replay } from '../log/replay.ts'
import { MAX_PASSES, newestConsumer, newestProducer } from '../role.ts'
import { type ItemRange, LogFindings } from './log-findings.ts'
import { generationsOf, logStart, readSteadySlots } from './state.ts'
import type { Unreadable } from './unreadable.ts'

/** A flipped bit that was corrected while its batch was read. */
export interface Correction {
  readonly header: BatchHeader
  readonly flipped: FlippedBit
}

/** Corrections kept for a repair; if there are more, it is run again. */
const MAX_CORRECTIONS = 1000

/** Apparent damage in a segment, and the unacknowledged items that it has cost so far. */
interface Suspicion {
  readonly problem: BatchProblem
  readonly start: LogPosition
  readonly end: LogPosition
  lost: ItemRange
}

const NO_ITEMS: ItemRange = { from: 0, to: 0 }

/**
 * Checks all unacknowledged items through the consumer's own code, so that both report the same. Both roles may be
 * running.
 *
 * - Apparent damage remains a suspicion until the log has been read past it: if it has been acknowledged or overwritten
 *   by then, it was no damage.
 * - Damage after the producer's checkpoint becomes visible to a consumer only when the next producer attaches. So the
 *   check first finds the end of the log as recovery does, and reads as if that producer had attached.
 * - A batch written during the check does not count as damaged.
 */
export class LogCheck {
  /** The flipped bits that were corrected, 1,000 at most. */
  readonly corrections: Correction[] = []
  readonly #disk: Disk
  readonly #findings: LogFindings
  readonly #options: VerifyOptions
  readonly #clock: Clock
  readonly #unreadable: Unreadable
  #producer: ProducerSlot
  #consumer: ConsumerSlot
  /** The end of the committed log, where the check assumes that a producer has attached. */
  #tail: LogPosition
  #isAssumed = false
  /** Blocks from this LSN on were written during the check. */
  #limit = 0
  #log: ConsumerLog
  /** The cursor at which the check began, and the newest epoch that it takes into account. */
  #from: Cursor
  #seen = 0
  /** True if the slots were refreshed after the last search. */
  #refreshed = false
  /** Suspicions not reported yet, in the order of the log. */
  #suspicions: Suspicion[] = []
  #batches = 0
  #items = 0
  #bytes = 0

  /**
   * @param slots at least one of each role is valid
   * @param unreadable receives what each unreadable sector costs
   */
  constructor(
    disk: Disk,
    slots: Slots,
    findings: FindingSink,
    unreadable: Unreadable,
    options: VerifyOptions,
  ) {
    this.#disk = disk
    this.#findings = new LogFindings(disk, findings, unreadable)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#unreadable = unreadable
    this.#producer = newestProducer(slots.producer, disk.device.name).slot
    this.#consumer = newestConsumer(slots.consumer, disk.device.name).slot
    this.#tail = this.#producer.committed
    this.#from = this.#consumer.cursor
    this.#log = this.#readFrom(this.#from)
  }

  /**
   * @returns undefined, with a finding, if slots and log contradict each other, so that no consumer can read on
   * @throws {RingError} `RING_UNSTABLE`
   * @throws the signal's reason
   */
  async run(): Promise<LogCounts | undefined> {
    try {
      return await this.#check()
    } catch (error) {
      if (!isRingError(error) || error.code !== 'RING_CORRUPT') throw error
      this.#report(Number.POSITIVE_INFINITY)
      this.#findings.addUnreadable(error)
      return undefined
    }
  }

  async #check(): Promise<LogCounts> {
    const { signal, onProgress } = this.#options
    const { blockSize, dataBlocks } = this.#disk.layout
    const start = await this.#begin()
    const total = Math.min(dataBlocks, Math.max(0, this.#tail.lsn - start.lsn))
    this.#limit = Math.max(this.#tail.lsn, start.lsn + dataBlocks)
    let position = this.#goTo(this.#consumer.cursor)
    for (;;) {
      signal?.throwIfAborted()
      this.#refreshed = false
      const found = await this.#log.measure(position)
      const overrun = this.#refreshed ? this.#overrunAt(position) : undefined
      if (overrun !== undefined) {
        this.#suspicions = this.#suspicions.filter(({ lost }) => lost.from < lost.to)
        position = this.#goTo(overrun)
        continue
      }
      if (found.status === 'nothing') break
      if (found.status !== 'missed') {
        if (this.#isBeyond(found)) break
        this.#report(found.start.lsn)
        this.#log.forgetBefore(found.start)
        if (found.status === 'damage') this.#lose(found)
        else {
          this.#items += found.items
          this.#bytes += found.bytes
        }
        onProgress?.(Math.min(total, found.end.lsn - start.lsn) * blockSize, total * blockSize)
      }
      position = found.position
    }
    this.#report(Number.POSITIVE_INFINITY)
    if (this.#unreadable.some) await this.#checkEnd(start.lsn + dataBlocks)
    return {
      blocks: total,
      freeBlocks: dataBlocks - total,
      batches: this.#batches,
      items: this.#items,
      bytes: this.#bytes,
    }
  }

  /**
   * Finds both ends of the log. The slots of the two roles are compared only if neither role wrote during the search.
   * @returns the beginning of the log
   */
  async #begin(): Promise<LogPosition> {
    for (let pass = 0; ; pass++) {
      const before = generationsOf(await this.#readSlots())
      const { logPosition: tail, damaged } = await replay(this.#disk, this.#producer, {
        signal: this.#options.signal,
      })
      this.#tail = tail
      const settled = generationsOf(await this.#readSlots()) === before
      const start = logStart(this.#disk, this.#producer, this.#consumer)
      if (settled) this.#compare(start)
      if (!settled && pass < MAX_PASSES) continue
      const isBeyond = start.logPosition.lsn > this.#producer.committed.lsn
      this.#isAssumed = isWithin(start, tail) && (damaged.length > 0 || isBeyond)
      return start.logPosition
    }
  }

  /** Compares the slots of both roles. */
  #compare(start: Cursor): void {
    const { seen } = this.#consumer
    const { epoch } = currentEpoch(this.#producer.epochs)
    if (seen > epoch) {
      this.#findings.addContradiction(`seen epoch: expected at most ${epoch}, found ${seen}`)
    }
    if (isWithin(start, this.#tail)) return
    const { lsn, seq } = this.#tail
    this.#findings.addContradiction(
      `cursor: expected at most LSN ${lsn} and item ${seq}, found ${start.logPosition.lsn} and ${itemsBefore(start)}`,
    )
  }

  #readFrom(cursor: Cursor): ConsumerLog {
    return new ConsumerLog(
      this.#disk,
      cursor,
      this.#producer,
      () => this.#refresh(),
      MAX_BATCH_BYTES,
      (step) => this.#examine(step),
    )
  }

  /** Starts to read at a consumer's cursor. */
  #goTo(cursor: Cursor): Position {
    this.#log = this.#readFrom(cursor)
    this.#log.begin(this.#options.signal)
    this.#seen = this.#consumer.seen
    this.#apply(cursor)
    return this.#log.positionOf(this.#from)
  }

  #apply(from: Cursor): void {
    const producer = this.#isAssumed ? { ...this.#producer, committed: this.#tail } : this.#producer
    this.#from = this.#log.apply(producer, this.#seen, from)
    this.#seen = this.#log.epoch
  }

  /**
   * Refreshes the slots at apparent damage: if they still count it as unacknowledged, it was there when it was read.
   */
  async #refresh(): Promise<void> {
    const { epoch } = currentEpoch(this.#producer.epochs)
    await this.#readSlots()
    this.#refreshed = true
    const { committed, epochs } = this.#producer
    const isNew = currentEpoch(epochs).epoch > epoch
    if (isNew || committed.lsn > this.#tail.lsn) this.#tail = committed
    this.#apply(this.#from)
  }

  /** The cursor at which to continue if a position was acknowledged meanwhile, and may be overwritten. */
  #overrunAt(position: Position): Cursor | undefined {
    const start = logStart(this.#disk, this.#producer, this.#consumer)
    return itemsBefore(start) > this.#log.seqOf(position) ? start : undefined
  }

  async #readSlots(): Promise<Slots> {
    const slots = await readSteadySlots(this.#disk, this.#clock)
    const { name } = this.#disk.device
    this.#producer = newestProducer(slots.producer, name).slot
    this.#consumer = newestConsumer(slots.consumer, name).slot
    return slots
  }

  /** Adds a segment that was read. */
  #examine(step: DamagedSegment): void {
    const { start, end } = step
    // The log ends here, as the slots say.
    if (start.lsn === this.#tail.lsn && start.crc === this.#tail.crc && end.lsn > start.lsn) {
      this.#limit = start.lsn
    }
    if (this.#isBeyond(step)) return
    if (step.kind === 'batch') this.#count(step.batch)
    const problems = step.kind === 'batch' ? diagnoseBatch(this.#disk, step.batch) : [step.problem]
    for (const problem of problems) {
      this.#suspicions.push({ problem, start, end, lost: NO_ITEMS })
    }
  }

  /** True if a segment lies after the part that is checked. */
  #isBeyond({ start: logPosition }: Pick<DamagedSegment, 'start'>): boolean {
    return logPosition.lsn >= this.#limit
  }

  #count({ header, flipped, whole }: ReadBatch): void {
    if (whole) this.#batches++
    if (flipped === undefined) return
    this.#findings.addFlipped(header, flipped)
    if (this.corrections.length < MAX_CORRECTIONS) this.corrections.push({ header, flipped })
  }

  /** Adds a loss of unacknowledged items. The suspicions before it become findings. */
  #lose({ problem: { offset }, start: logPosition, seq, items }: Loss): void {
    // Empty items share an offset.
    const index = this.#suspicions.findIndex(
      ({ problem, start }) =>
        problem.offset === offset && start.lsn === logPosition.lsn && mayHold(problem, seq),
    )
    this.#reportFirst(Math.max(0, index))
    const [suspicion] = this.#suspicions
    if (index < 0 || suspicion === undefined) throw new Error(`nothing was found at byte ${offset}`)
    const { from, to } = suspicion.lost
    suspicion.lost = { from: from < to ? from : seq, to: seq + items }
  }

  /** Turns the suspicions before an LSN into findings. */
  #report(lsn: number): void {
    const count = this.#suspicions.findIndex(({ start }) => start.lsn >= lsn)
    this.#reportFirst(count < 0 ? this.#suspicions.length : count)
  }

  #reportFirst(count: number): void {
    for (const { problem, start, end, lost } of this.#suspicions.splice(0, count))
      this.#findings.add(problem, start, end, lost)
  }

  /**
   * After the committed items, the log ends at the first incomplete batch. If that batch is unreadable, it may have
   * been complete, and have committed more.
   * @param lap the LSN at which the log would meet its own beginning
   */
  async #checkEnd(lap: number): Promise<void> {
    const torn = await firstTorn(
      this.#disk,
      this.#tail,
      this.#producer.epochs,
      this.#options.signal,
    )
    const { lsn } = torn.logPosition
    this.#findings.addEnd(lsn, Math.min(torn.blocks, lap - lsn))
  }
}

/** True if a log position is at or before the committed end, in blocks and in items. */
function isWithin(cursor: Cursor, { lsn, seq }: LogPosition): boolean {
  return cursor.logPosition.lsn <= lsn && itemsBefore(cursor) <= seq
}

function mayHold({ items }: BatchProblem, seq: number): boolean {
  return items === undefined || (items.from <= seq && seq < items.to)
}
