import { isRingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import type { RingEntry } from '../../ring/queue/entry.ts'
import { process as processRing } from '../../ring/queue/process/process.ts'
import type { ProcessSource } from '../../ring/queue/process/processor.ts'
import { isWorkError } from '../../ring/queue/process/work-error.ts'
import { internalsOf, type RingReader, readerOn } from '../../ring/queue/reader.ts'
import type { DamageEvent } from '../../ring/shared/damage.ts'
import { parsePosition } from '../../ring/shared/position-text.ts'
import { Violation } from '../runs/violation.ts'
import type { RequestNames, SimProcess } from '../world/process.ts'
import { Random } from '../world/random.ts'
import { type ActorContext, RoleActor } from './actor.ts'
import { itemNumber } from './oracle.ts'
import type { ReaderPlan, ReaderStep, WorkStep } from './plan.ts'
import { type Delivered, ReaderModel } from './reader-model.ts'
import { decodingMost, isUndecodable, undecodable, undecoded } from './undecodable.ts'
import { Work, WorkLedger } from './work.ts'

/** Pause after an empty ring, in milliseconds. */
const PAUSE_MS = 3

/** Counts the items that consumers skip. */
const damages = globalThis.process
  ?.getBuiltinModule?.('node:diagnostics_channel')
  ?.channel('shared-block-ring:damage')

interface ReaderHandle {
  readonly process: SimProcess
  readonly reader: RingReader
  readonly model: ReaderModel
}

/**
 * A consumer that acknowledges in any order, through a `RingReader`. A
 * {@link ReaderModel} says what the reader has to do.
 *
 * - Acknowledgements run concurrently, as handlers do; each is checked when it resolves, rejects, or the reader is
 *   closed.
 * - After `rewind` and `seek`, all unacknowledged items are delivered again, in order, and no others; an item that is
 *   not was lost with a cache, so it was never committed.
 * - `unacked` must name the oldest unacknowledged entry, and never more entries than `maxUnacked`.
 */
export class ReaderActor extends RoleActor<ReaderStep> {
  readonly #plan: ReaderPlan
  readonly #ledger = new WorkLedger()
  #handle: ReaderHandle | undefined

  constructor(names: RequestNames, context: ActorContext, plan: ReaderPlan) {
    super(names, context, plan.steps)
    this.#plan = plan
  }

  override died(): void {
    super.died()
    this.#handle = undefined
  }

  override async detach(): Promise<void> {
    await this.#handle?.reader.close()
    this.#handle = undefined
  }

  protected override async dropOlder(): Promise<void> {}

  /** Ends its process: another actor takes the role. */
  async leave(): Promise<void> {
    await this.detach()
    await this.mount?.close()
    if (this.process !== undefined) this.context.exit(this.process)
    super.died()
  }

  override async perform(step: ReaderStep): Promise<void> {
    const process = this.process as SimProcess
    if (step.kind === 'wait') return process.clock.sleep(step.ms)
    if (step.kind === 'reattach') return this.detach()
    if (step.kind === 'restart') return this.restart()
    const handle = await this.#attached()
    if (handle === undefined) return
    try {
      await this.#use(handle, step)
      if (this.#handle === handle) handle.model.checkUnacked(this.#plan.maxUnacked)
    } catch (error) {
      if (this.context.judge(`the reader's ${step.kind}`, error)) {
        await this.detach()
        await this.leaveSpent()
      }
    }
  }

  #use(
    handle: ReaderHandle,
    step: Exclude<ReaderStep, { kind: 'wait' | 'reattach' | 'restart' }>,
  ): Promise<void> {
    switch (step.kind) {
      case 'receive':
        return this.#receive(handle, step.max, step.id % 2 === 0)
      case 'ack':
        return this.#ack(handle, step.part, new Random(step.order))
      case 'through':
        return this.#ackThrough(handle, step.part)
      case 'rewind':
        return this.#rewind(handle, step.all)
      case 'flush':
        return this.#flush(handle)
      case 'process':
        return this.#process(handle, step)
    }
  }

  async #attached(): Promise<ReaderHandle | undefined> {
    if (this.#handle !== undefined) return this.#handle
    const process = this.process as SimProcess
    const { ring, onDamage } = this.context
    const { clock } = process
    try {
      const { device } = await this.open(process)
      const consumer = await this.context.bounded('attaching the reader', process, () =>
        ring.attachConsumer(device, { clock, queue: 'sim', client: 'reader', onDamage }),
      )
      const { maxUnacked, lazyAck } = this.#plan
      const codec = decodingMost(this.#undecodable)
      const reader = readerOn<Uint8Array>(consumer, { clock, maxUnacked, lazyAck, codec })
      this.#handle = { process, reader, model: new ReaderModel(reader, this.context) }
      return this.#handle
    } catch (error) {
      this.context.judge('attaching the reader', error)
      await this.leaveSpent()
      await clock.sleep(PAUSE_MS)
      return undefined
    }
  }

  async #receive(handle: ReaderHandle, max: number, views: boolean): Promise<void> {
    for (let count = 0; count < max; count++) {
      const entries = await this.#take(handle, () =>
        handle.reader.tryReceiveMany({ maxItems: 1, views }),
      )
      if (entries.length === 0) return handle.process.clock.sleep(PAUSE_MS)
    }
  }

  /**
   * One of this many items does not decode. Items missed before such an item, in a ring that overwrites, are reported
   * with the next one.
   */
  get #undecodable(): number {
    return this.context.guarantees.losses.overwritten ? 0 : this.#plan.undecodable
  }

  /** Receives, and compares the entries with the model. An item that does not decode is an entry like others here. */
  async #take(
    handle: ReaderHandle,
    receive: () => Promise<readonly RingEntry[]>,
  ): Promise<readonly RingEntry[]> {
    const { oracle, trace } = this.context
    const committed = oracle.lastCommitted
    const before = handle.reader.consumer.position
    const { entries, damaged } = await this.#skipDamage(handle, receive)
    if (entries.length > 0) {
      handle.model.damaged += damaged
      for (const entry of entries) handle.model.deliver(entry)
      return entries
    }
    const isHeld = internalsOf(handle.reader).wasFull()
    trace(() => `the reader has ${isHeld ? 'too much' : 'nothing'}`)
    if (!isHeld) {
      handle.model.vanish(handle.model.replay.splice(0))
      oracle.empty(handle.model.session, committed)
      if (damaged > 0 && oracle.hasMoved(before, handle.reader.consumer.position)) {
        handle.model.damaged += damaged
        oracle.skippedLost(damaged)
      }
    }
    return entries
  }

  /**
   * Receives, skipping damage. Also returns how many items were reported as damaged and skipped by the consumer itself.
   */
  async #skipDamage(
    handle: ReaderHandle,
    receive: () => Promise<readonly RingEntry[]>,
  ): Promise<{ readonly entries: readonly RingEntry[]; readonly damaged: number }> {
    const { oracle } = this.context
    const reported: number[] = []
    const hear = (message: unknown): void => void reported.push((message as DamageEvent).items)
    damages?.subscribe(hear)
    try {
      for (;;) {
        try {
          const entries = await receive().catch((error: unknown) => [undecoded(error)])
          for (const items of reported) oracle.reportedDamage(items)
          return { entries, damaged: reported.reduce((sum, items) => sum + items, 0) }
        } catch (error) {
          if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
          this.context.judge('the reader', error)
          const { items, missed = 0, position } = error.details
          oracle.reportedDamage(items)
          await handle.reader.seek(parsePosition(position))
          handle.model.skip(items + missed, parsePosition(position))
        }
      }
    } finally {
      damages?.unsubscribe(hear)
    }
  }

  async #ack(handle: ReaderHandle, part: number, random: Random): Promise<void> {
    const open = handle.model.delivered.filter(({ finished }) => !finished)
    const chosen: Delivered[] = []
    for (let left = Math.ceil(open.length * part); left > 0; left--) {
      chosen.push(...open.splice(random.below(open.length), 1))
    }
    const apart = random.chance(0.5)
    const acks: Promise<void>[] = []
    for (const one of chosen) {
      const ack = this.#ackOne(handle, one)
      acks.push(ack)
      if (apart) await ack
    }
    await Promise.all(acks)
  }

  async #ackOne(handle: ReaderHandle, one: Delivered): Promise<void> {
    handle.model.begin([one])
    const prefix = handle.model.prefix()
    this.context.trace(() => `the reader acknowledges item ${one.id}`)
    try {
      await one.entry?.ack()
    } catch (error) {
      this.#notAcknowledged([one])
      throw error
    }
    if (this.#plan.lazyAck !== false || !prefix.includes(one)) return
    handle.model.checkAcknowledged(prefix)
    handle.model.acknowledged(prefix)
  }

  /** An acknowledgement failed. A lazy one stays, for a later write. */
  #notAcknowledged(some: readonly Delivered[]): void {
    if (this.#plan.lazyAck === false) for (const one of some) one.finished = false
  }

  /** Calls `process`. */
  async #process(handle: ReaderHandle, step: WorkStep): Promise<void> {
    const { clock } = handle.process
    const { lossless } = this.context.guarantees
    const every = this.#undecodable
    const work = new Work(step, this.#ledger, { clock, exact: lossless, undecodable: every })
    const source = this.#sourceOf(handle, work)
    let failure: { readonly error: unknown } | undefined
    try {
      await processRing(source, work.handler, work.options(handle.reader.consumer), {
        ...internalsOf(handle.reader),
        clock,
      })
    } catch (error) {
      failure = { error }
    }
    work.end(failure !== undefined)
    if (failure !== undefined || !handle.model.countsItems) {
      // The state of the entries after a failed write is unknown here, and losses would be reported again.
      if (failure !== undefined && !isWorkError(failure.error)) {
        this.context.judge('process', failure.error)
      } else if (failure !== undefined && !work.mayEndWith(failure.error)) throw failure.error
      await this.detach()
      return this.leaveSpent()
    }
    const prefix = handle.model.prefix()
    handle.model.checkAcknowledged(prefix)
    handle.model.acknowledged(prefix)
    handle.model.goBack()
  }

  /** The reader as `process` gets it, with its calls observed. */
  #sourceOf(handle: ReaderHandle, work: Work): ProcessSource<Uint8Array> {
    const { reader } = handle
    const every = this.#undecodable
    const originals = new Map<Position, RingEntry>()
    const settle = async (
      positions: readonly Position[],
      acknowledge: () => Promise<void>,
    ): Promise<void> => {
      const some = handle.model.delivered.filter(
        ({ entry, position }) => entry !== undefined && positions.includes(position),
      )
      for (const one of some) work.settling(one.id)
      handle.model.begin(some)
      const prefix = handle.model.prefix()
      try {
        await acknowledge()
      } catch (error) {
        work.refused()
        throw error
      }
      if (this.#plan.lazyAck !== false || !some.some((one) => prefix.includes(one))) return
      handle.model.checkAcknowledged(prefix)
      handle.model.acknowledged(prefix)
    }
    const watched = (entry: RingEntry): RingEntry => {
      const { item, position, storedBytes, pushedAt, number, missed } = entry
      originals.set(position, entry)
      work.assign(itemNumber(item), item)
      const ack = (): Promise<void> => settle([position], () => entry.ack())
      return {
        ...{ item, position, storedBytes, pushedAt, number, ack },
        ...(missed !== undefined && { missed }),
      }
    }
    const take = async (receive: () => Promise<readonly RingEntry[]>) => {
      const entries = (await this.#take(handle, receive)).map(watched)
      const [first] = entries
      if (first !== undefined && isUndecodable(first.item, every)) throw undecodable(first)
      return entries
    }
    const tells = this.context.guarantees.errors.has('RING_DAMAGED')
    return {
      consumer: reader.consumer,
      tryReceiveMany: (bounds) => take(() => reader.tryReceiveMany(bounds)),
      receiveMany: async (bounds) => {
        if (!tells) return take(() => reader.receiveMany(bounds))
        // Damage at the end of the log is counted when it is found.
        for (;;) {
          const entries = await take(() => reader.tryReceiveMany(bounds))
          if (entries.length > 0) return entries
          await handle.process.clock.sleep(PAUSE_MS)
          bounds.signal.throwIfAborted()
        }
      },
      ackAll: (entries) => {
        const own = entries.map(({ position }) => originals.get(position) as RingEntry)
        return settle(
          entries.map(({ position }) => position),
          () => reader.ackAll(own),
        )
      },
      bytesOf: async (entry) => {
        // Damage found meanwhile would be counted twice.
        if (tells) return originals.get(entry.position)?.item
        const bytes = await reader.bytesOf(entry)
        const one = handle.model.delivered.find(({ position }) => position === entry.position)
        if (bytes !== undefined || one === undefined) return bytes
        const { oracle, guarantees } = this.context
        work.gone(one.id)
        if (guarantees.losses.overwritten || !oracle.isCommitted(one.id)) return bytes
        throw new Violation('lost', `item ${one.id} is not acknowledged, and cannot be read again`)
      },
      flush: (options) => reader.flush(options),
      rewind: () => reader.rewind(),
    }
  }

  async #ackThrough(handle: ReaderHandle, part: number): Promise<void> {
    const some = handle.model.delivered.slice(0, Math.ceil(handle.model.delivered.length * part))
    const last = some.at(-1)
    if (last === undefined) return
    const news = some.filter(({ finished }) => !finished)
    handle.model.begin(some)
    const prefix = handle.model.prefix()
    this.context.trace(() => `the reader acknowledges all up to item ${last.id}`)
    try {
      await handle.reader.ackThrough(last.position)
    } catch (error) {
      this.#notAcknowledged(news)
      throw error
    }
    if (this.#plan.lazyAck === false) handle.model.acknowledged(prefix)
  }

  async #flush(handle: ReaderHandle): Promise<void> {
    const prefix = [...handle.model.prefix()]
    // It would wait for the entries before it.
    const isGap = handle.model.delivered.some(({ finished }, at) => finished && at >= prefix.length)
    if (isGap) return
    await handle.reader.flush()
    handle.model.acknowledged(prefix)
  }

  async #rewind(handle: ReaderHandle, all: boolean): Promise<void> {
    if (!handle.model.countsItems) return
    await handle.reader.rewind({ acknowledgedToo: all })
    handle.model.goBack(all)
  }

  protected override describe(step: ReaderStep): string {
    const { kind, id: _, ...how } = step
    return `${kind} ${Object.values(how).join(' ')}`
  }
}
