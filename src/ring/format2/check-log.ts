import { type Clock, systemClock } from '../../clock.ts'
import type { FindingSink, LogCounts, VerifyOptions } from '../report.ts'
import type { BatchHeader } from './batch.ts'
import type { FlippedBit } from './correct.ts'
import { type BatchProblem, diagnoseBatch, diagnoseHeader } from './diagnose.ts'
import type { Disk, Slots } from './disk.ts'
import { currentEpoch } from './epochs.ts'
import { type ItemRange, LogFindings } from './log-findings.ts'
import { bytesBetween, type Mark } from './mark.ts'
import { behindMissing, missingItems, saidOf } from './missing.ts'
import { firstTorn, rollForward } from './recover.ts'
import { MAX_PASSES, newestConsumer, newestProducer } from './role.ts'
import type { ConsumerSlot, ProducerSlot } from './slots.ts'
import { generationsOf, logStart, readSteadySlots, unstable } from './state.ts'
import type { Unreadable } from './unreadable.ts'
import { type Batch, Walker } from './walk.ts'

/** A flipped bit in a batch that is read as it was written. */
export interface Correction {
  readonly header: BatchHeader
  readonly flipped: FlippedBit
}

/** Corrections that are kept for a repair, which is called once more where there are more. */
const MAX_CORRECTIONS = 1000

/** Checks all batches from the consumer's cursor to the end of what is committed. Both roles may be at work meanwhile. */
export class LogCheck {
  /** The flipped bits that were met, 1,000 at most. */
  readonly corrections: Correction[] = []
  readonly #disk: Disk
  readonly #findings: LogFindings
  readonly #options: VerifyOptions
  readonly #clock: Clock
  readonly #unreadable: Unreadable
  readonly #walker: Walker
  #producer: ProducerSlot
  #consumer: ConsumerSlot
  /** The first item that waits. */
  #first = 0
  /** Items before this one are committed, as far as was read. */
  #committedTo = 0
  #tail: Mark
  #batches = 0
  #items = 0
  #bytes = 0

  /**
   * @param slots of each role, one at least is sound
   * @param unreadable is told what is lost with each place that cannot be read
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
    this.#walker = new Walker(disk, { signal: options.signal })
    this.#producer = newestProducer(slots.producer, disk.device.name).slot
    this.#consumer = newestConsumer(slots.consumer, disk.device.name).slot
    this.#tail = this.#producer.committed
  }

  /**
   * @throws {RingError} `RING_UNSTABLE`
   * @throws the signal's reason
   */
  async run(): Promise<LogCounts> {
    const { signal, onProgress } = this.#options
    const { blockSize, dataBlocks } = this.#disk.layout
    const start = await this.#begin()
    let mark = this.#tellMissing(start)
    const total = Math.max(0, this.#tail.lsn - mark.lsn)
    while (mark.lsn < this.#tail.lsn) {
      signal?.throwIfAborted()
      mark = await this.#step(mark)
      onProgress?.((total - Math.max(0, this.#tail.lsn - mark.lsn)) * blockSize, total * blockSize)
    }
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
   * Finds both ends of the log. What the roles say of each other only counts if neither wrote while the end was looked for.
   * @returns where it begins
   */
  async #begin(): Promise<Mark> {
    for (let pass = 0; ; pass++) {
      const before = generationsOf(await this.#readSlots())
      const { mark } = await rollForward(this.#disk, this.#producer, {
        signal: this.#options.signal,
      })
      this.#tail = mark
      const settled = generationsOf(await this.#readSlots()) === before
      const start = this.#start()
      if (settled) this.#compare(start)
      if (settled || pass === MAX_PASSES) return start
    }
  }

  /** What the slots of both roles say of each other. */
  #compare(start: Mark): void {
    const { seen } = this.#consumer
    const { epoch } = currentEpoch(this.#producer.epochs)
    if (seen > epoch) {
      this.#findings.addContradiction(`seen epoch: expected at most ${epoch}, found ${seen}`)
    }
    if (start.lsn > this.#tail.lsn || this.#first > this.#tail.seq) {
      const { lsn, seq } = this.#tail
      this.#findings.addContradiction(
        `cursor: expected at most LSN ${lsn} and item ${seq}, found ${start.lsn} and ${this.#first}`,
      )
    }
  }

  /**
   * Looks at one batch, or at what is in its place. Where that is not sound, the slots are read after it: if they still say
   * that it waits, it was there when it was read.
   * @returns where to go on
   */
  async #step(mark: Mark): Promise<Mark> {
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const { epochs } = this.#producer
      const batch = await this.#walker.batchAt(mark, epochs)
      if (batch?.whole === true) return this.#count(mark, batch)
      const restart = await this.#walker.restartAt(mark, this.#committedTo, epochs)
      if (restart !== undefined) return this.#drop(mark, restart)
      this.#walker.forget()
      if (batch !== undefined) {
        if (await this.#changed(mark)) return this.#start()
        this.#add(diagnoseBatch(this.#disk, batch), mark, batch.end)
        return this.#count(mark, batch)
      }
      const problem = await diagnoseHeader(this.#disk, mark, epochs)
      if (await this.#changed(mark)) return this.#start()
      if (problem !== undefined) return this.#addGap(mark, problem)
    }
    throw unstable(this.#disk, this.#disk.offsetOf(mark.lsn))
  }

  /** Whether a place was given back or overwritten meanwhile, or is of another epoch now: then nothing is known of it. */
  async #changed(mark: Mark): Promise<boolean> {
    const { epoch } = currentEpoch(this.#producer.epochs)
    await this.#readSlots()
    const now = currentEpoch(this.#producer.epochs)
    if (now.epoch > epoch && now.start.lsn < this.#tail.lsn) this.#tail = now.start
    return now.epoch > epoch || this.#start().lsn > mark.lsn
  }

  async #readSlots(): Promise<Slots> {
    const slots = await readSteadySlots(this.#disk, this.#clock)
    const { name } = this.#disk.device
    this.#producer = newestProducer(slots.producer, name).slot
    this.#consumer = newestConsumer(slots.consumer, name).slot
    return slots
  }

  #start(): Mark {
    const { mark, index } = logStart(this.#disk, this.#producer, this.#consumer)
    this.#first = mark.seq + index
    this.#committedTo = this.#first
    return mark
  }

  /** Where items before the end of a range wait for the consumer: those that were held back are dropped. */
  #waiting(mark: Mark, from: number, to: number): ItemRange {
    const next = this.#producer.epochs.find(({ start }) => start.lsn > mark.lsn)
    const limit = Math.min(to, next?.start.seq ?? to, this.#tail.seq)
    return { from: Math.max(from, this.#first), to: limit }
  }

  #count(mark: Mark, batch: Batch): Mark {
    const { header, items, end, whole } = batch
    if (batch.flipped !== undefined) {
      this.#findings.addFlipped(header, batch.flipped)
      if (this.corrections.length < MAX_CORRECTIONS) {
        this.corrections.push({ header, flipped: batch.flipped })
      }
    }
    const { from, to } = this.#waiting(mark, mark.seq, end.seq)
    for (let seq = from; seq < to; seq++) {
      const index = seq - header.start.seq
      if (!items.isSound(index)) continue
      this.#items++
      this.#bytes += items.bytesBefore(index + 1) - items.bytesBefore(index)
    }
    if (whole) this.#batches++
    this.#committedTo = Math.max(this.#committedTo, header.committedTo)
    return this.#epochAt(end)
  }

  /** Tells of items that the slots call committed, and that no batch before a place holds. */
  #tellMissing(mark: Mark): Mark {
    const said = saidOf(this.#producer, mark)
    if (said === undefined || said.seq <= mark.seq) return mark
    const end = behindMissing(mark, said)
    this.#add([missingItems(this.#disk, mark, said)], mark, end)
    return end
  }

  /** Where an epoch begins, what was held back before is dropped. */
  #epochAt(at: Mark): Mark {
    const mark = this.#tellMissing(at)
    const epoch = this.#producer.epochs.find(({ start }) => start.lsn === mark.lsn)
    if (epoch === undefined) return mark
    this.#committedTo = epoch.start.seq
    return epoch.start
  }

  /** The same where the epoch is merged with the one before: what is dropped was counted. */
  #drop(mark: Mark, start: Mark): Mark {
    this.#items -= mark.seq - start.seq
    this.#bytes -= bytesBetween(start.bytes, mark.bytes)
    return start
  }

  #add(problems: readonly BatchProblem[], start: Mark, end: Mark): void {
    for (const problem of problems) {
      const { from, to } = problem.items ?? { from: start.seq, to: end.seq }
      this.#findings.add(problem, start, end, this.#waiting(start, from, to))
    }
  }

  /** Steps over what is no batch of this log: to the next one, or to where an epoch begins. */
  async #addGap(mark: Mark, problem: BatchProblem): Promise<Mark> {
    const { epochs } = this.#producer
    const next = epochs.find(({ start }) => start.lsn > mark.lsn)?.start
    const last = next !== undefined && next.lsn < this.#tail.lsn ? next : this.#tail
    const found = await this.#walker.nextHeader(mark.lsn + 1, last.lsn, epochs)
    const end = found !== undefined && found.start.seq >= mark.seq ? found.start : last
    this.#add([problem], mark, end)
    return end
  }

  /**
   * Behind what is committed, the log ends at the first batch that is not whole. If that cannot be read, nobody knows whether it
   * was, and committed more.
   * @param lap where the log meets its own beginning
   */
  async #checkEnd(lap: number): Promise<void> {
    const torn = await firstTorn(
      this.#disk,
      this.#tail,
      this.#producer.epochs,
      this.#options.signal,
    )
    const { lsn } = torn.mark
    this.#findings.addEnd(lsn, Math.min(torn.blocks, lap - lsn))
  }
}
