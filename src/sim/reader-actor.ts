import { isRingError } from '../errors.ts'
import { isWorkError } from '../jobs/errors.ts'
import type { Position } from '../position.ts'
import type { DamageMessage } from '../ring/damage.ts'
import { parsePosition } from '../ring/position-text.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import { process as processRing } from '../ring/queue/process.ts'
import type { ProcessSource } from '../ring/queue/processor.ts'
import { insideOf, type RingReader, readerOf } from '../ring/queue/reader.ts'
import { type ActorContext, RoleActor } from './actor.ts'
import { ConsumerSession, itemNumber, Violation } from './oracle.ts'
import type { ReaderPlan, ReaderStep, WorkStep } from './plan.ts'
import type { RequestNames, SimProcess } from './process.ts'
import { Random } from './random.ts'
import { Work, WorkLedger } from './work.ts'

/** Pause after an empty ring, in milliseconds. */
const PAUSE_MS = 3

/** Counts what consumers skip. */
const damages = globalThis.process
  ?.getBuiltinModule?.('node:diagnostics_channel')
  ?.channel('shared-block-ring:damage')

/** What was delivered, or skipped as damaged, and is still in the ring as far as is known. */
interface Delivered {
  /** The item's number; of damage, that of the item before. */
  readonly id: number
  readonly position: Position
  /** Absent of damage. */
  readonly entry?: RingEntry
  /** How many damaged items it stands for. */
  readonly damaged: number
  /** Its acknowledgement began, and was not rejected. */
  finished: boolean
}

interface ReaderHandle {
  readonly process: SimProcess
  readonly reader: RingReader
  readonly session: ConsumerSession
  /** In the order of the ring. */
  delivered: Delivered[]
  /** Delivered before the reader went back, not acknowledged then, and not delivered again so far. */
  replay: Delivered[]
  /** The number of the last item that was delivered. */
  front: number
  /** Damaged items that were reported since the last item. */
  damaged: number
}

/**
 * A consumer that acknowledges in any order, through a `RingReader`. It models what the reader has to do: a list of everything that
 * was delivered, item by item, with what is acknowledged. From that the oracle knows how far the ring may advance, and what the reader
 * must not deliver again.
 *
 * - Acknowledgements run concurrently, as handlers do; each is checked when it resolves, rejects, or the reader is closed.
 * - After `rewind` and `seek`, everything unacknowledged comes again, in order, and nothing else; an item that does not was lost
 *   with a cache, so it was never committed.
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
      if (this.#handle === handle) this.#checkUnacked(handle)
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
        return this.#receive(handle, step.max)
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
    const { ring, oracle, onDamage } = this.context
    const { clock } = process
    try {
      const { device } = await this.open(process)
      const consumer = await this.context.bounded('attaching the reader', process, () =>
        ring.attachConsumer(device, { clock, queue: 'sim', client: 'reader', onDamage }),
      )
      const { maxUnacked, lazyAck } = this.#plan
      const reader = readerOf<Uint8Array>(consumer, { clock, maxUnacked, lazyAck })
      const session = new ConsumerSession(consumer.position, oracle.reportedBefore)
      this.#handle = {
        process,
        reader,
        session,
        delivered: [],
        replay: [],
        front: -1,
        damaged: 0,
      }
      return this.#handle
    } catch (error) {
      this.context.judge('attaching the reader', error)
      await this.leaveSpent()
      await clock.sleep(PAUSE_MS)
      return undefined
    }
  }

  async #receive(handle: ReaderHandle, max: number): Promise<void> {
    for (let count = 0; count < max; count++) {
      const entries = await this.#take(handle, () => handle.reader.tryReceiveMany({ maxItems: 1 }))
      if (entries.length === 0) return handle.process.clock.sleep(PAUSE_MS)
    }
  }

  /** Receives, and compares what comes with what has to. */
  async #take(
    handle: ReaderHandle,
    receive: () => Promise<readonly RingEntry[]>,
  ): Promise<readonly RingEntry[]> {
    const { oracle, trace } = this.context
    const acknowledged = oracle.lastAcknowledged
    const before = handle.reader.consumer.position
    const { entries, damaged } = await this.#stepOver(handle, receive)
    if (entries.length > 0) {
      handle.damaged += damaged
      for (const entry of entries) this.#delivered(handle, entry)
      return entries
    }
    const isHeld = handle.reader.wasHeld
    trace(() => `the reader has ${isHeld ? 'too much' : 'nothing'}`)
    if (!isHeld) {
      this.#vanished(handle, handle.replay.splice(0))
      oracle.empty(handle.session, acknowledged)
      if (damaged > 0 && oracle.hasMoved(before, handle.reader.consumer.position)) {
        handle.damaged += damaged
        oracle.gaveBackLost(damaged)
      }
    }
    return entries
  }

  /** Receives, skipping damage. Also returns how many items were reported as damaged and skipped by the consumer itself. */
  async #stepOver(
    handle: ReaderHandle,
    receive: () => Promise<readonly RingEntry[]>,
  ): Promise<{ readonly entries: readonly RingEntry[]; readonly damaged: number }> {
    const { oracle } = this.context
    const reported: number[] = []
    const hear = (message: unknown): void => void reported.push((message as DamageMessage).items)
    damages?.subscribe(hear)
    try {
      for (;;) {
        try {
          const entries = await receive()
          for (const items of reported) oracle.reportedDamage(items)
          return { entries, damaged: reported.reduce((sum, items) => sum + items, 0) }
        } catch (error) {
          if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
          this.context.judge('the reader', error)
          const { items = 0, missed = 0, position = '' } = error.details
          oracle.reportedDamage(items)
          await handle.reader.seek(parsePosition(position))
          this.#skipped(handle, items + missed, parsePosition(position))
        }
      }
    } finally {
      damages?.unsubscribe(hear)
    }
  }

  #skipped(handle: ReaderHandle, damaged: number, position: Position): void {
    handle.damaged += damaged
    handle.delivered.push({ id: handle.front, position, damaged, finished: true })
    if (this.#prefix(handle).length === handle.delivered.length) {
      this.context.oracle.gaveBackLost(damaged)
    }
  }

  #delivered(handle: ReaderHandle, entry: RingEntry): void {
    const { oracle, trace } = this.context
    const { item, position, missed } = entry
    trace(() => `the reader got ${oracle.describe(item)}`)
    const id = itemNumber(item)
    const known = this.#countsItems
      ? handle.delivered.find((one) => one.entry !== undefined && one.id === id)
      : undefined
    if (known !== undefined) {
      this.#again(handle, known, entry)
      return
    }
    this.#vanished(handle, handle.replay.splice(0))
    this.#cut(handle, position)
    const popped = { item, position, ...(missed !== undefined && { missed }) }
    oracle.popped(handle.session, [popped], { fromOwn: false, damaged: handle.damaged })
    handle.damaged = 0
    handle.front = id
    handle.delivered.push({ id, position, entry, damaged: 0, finished: false })
  }

  /** After going back, only what is not acknowledged comes again, and all of it does. */
  #again(handle: ReaderHandle, known: Delivered, entry: RingEntry): void {
    const at = handle.replay.indexOf(known)
    if (at < 0 || known.finished) {
      throw new Violation('repeated', `item ${known.id} was delivered again to the same reader`)
    }
    if (known.position !== entry.position) {
      throw new Violation('position', `item ${known.id} ends somewhere else now`)
    }
    this.#vanished(handle, handle.replay.splice(0, at))
    handle.replay.shift()
    const index = handle.delivered.indexOf(known)
    handle.delivered[index] = { ...known, entry }
  }

  /** Items did not come again: they were lost with a cache, so they were never committed. */
  #vanished(handle: ReaderHandle, items: readonly Delivered[]): void {
    const { oracle } = this.context
    for (const one of items) {
      if (one.finished) continue
      if (oracle.isCommitted(one.id)) {
        throw new Violation('lost', `item ${one.id} is not acknowledged, and did not come again`)
      }
      handle.delivered = handle.delivered.filter((other) => other !== one)
    }
  }

  /** An item has the number of others that were delivered before: those were lost with a cache. */
  #cut(handle: ReaderHandle, position: Position): void {
    const items = this.context.ring.itemsUpTo
    if (items === undefined) return
    const number = items(position)
    handle.delivered = handle.delivered.filter((one) => items(one.position) < number)
  }

  /** Whether each delivered item is known to be in the ring, or not: losses would be reported again after going back. */
  get #countsItems(): boolean {
    const { lossless, losses } = this.context.guarantees
    return lossless && !losses.overwritten && !losses.damaged
  }

  /** What is finished without a gap. */
  #prefix({ delivered }: ReaderHandle): readonly Delivered[] {
    const end = delivered.findIndex(({ finished }) => !finished)
    return delivered.slice(0, end < 0 ? undefined : end)
  }

  /** The number behind the last item that the ring may advance past. */
  #mayGiveBack(handle: ReaderHandle): number | undefined {
    const { oracle } = this.context
    // Where losses hide that an epoch began, what was never committed may be gone.
    const mayBeGone = ({ id }: Delivered): boolean => !this.#countsItems && !oracle.isCommitted(id)
    const { delivered } = handle
    const end = delivered.findIndex((one) => !one.finished && !mayBeGone(one))
    const last = delivered.findLast(
      ({ entry, finished }, at) => entry !== undefined && finished && (end < 0 || at < end),
    )
    return last === undefined ? undefined : last.id + 1
  }

  /** Some acknowledgements began: from here on the ring may advance past what is finished without a gap. */
  #begin(handle: ReaderHandle, some: readonly Delivered[]): void {
    for (const one of some) one.finished = true
    const next = this.#mayGiveBack(handle)
    if (next !== undefined) this.context.oracle.givesBack(next)
  }

  /** That resolved: these have left the ring, durably. */
  #gaveBack(handle: ReaderHandle, prefix: readonly Delivered[]): void {
    const { oracle } = this.context
    const still = new Set(this.#prefix(handle))
    const known = prefix.findIndex((one) => !still.has(one))
    const given = known < 0 ? prefix : prefix.slice(0, known)
    const last = given.findLast(({ entry }) => entry !== undefined)
    if (last === undefined) return
    oracle.gaveBack(handle.session, last.id + 1, last.position)
    handle.delivered = handle.delivered.filter((one) => !given.includes(one))
    const behind = given.slice(given.indexOf(last) + 1)
    oracle.gaveBackLost(behind.reduce((sum, { damaged }) => sum + damaged, 0))
    this.#begin(handle, [])
  }

  async #ack(handle: ReaderHandle, part: number, random: Random): Promise<void> {
    const open = handle.delivered.filter(({ finished }) => !finished)
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
    this.#begin(handle, [one])
    const prefix = this.#prefix(handle)
    this.context.trace(() => `the reader acknowledges item ${one.id}`)
    try {
      await one.entry?.ack()
    } catch (error) {
      one.finished = false
      throw error
    }
    if (this.#plan.lazyAck !== false || !prefix.includes(one)) return
    this.#checkGivenBack(handle, prefix)
    this.#gaveBack(handle, prefix)
  }

  /** What was acknowledged without a gap when the write began, and still is, has left the ring. */
  #checkGivenBack({ reader }: ReaderHandle, prefix: readonly Delivered[]): void {
    const end = prefix.findIndex(({ finished }) => !finished)
    const last = end < 0 ? prefix.at(-1) : prefix[end - 1]
    if (last === undefined || last.position <= reader.consumer.position) return
    throw new Violation(
      'held',
      `item ${last.id} is acknowledged without a gap, and still in the ring`,
    )
  }

  /** Has items handled. */
  async #process(handle: ReaderHandle, step: WorkStep): Promise<void> {
    const { clock } = handle.process
    const work = new Work(step, this.#ledger, clock, this.context.guarantees.lossless)
    const source = this.#sourceOf(handle, work)
    let failure: { readonly error: unknown } | undefined
    try {
      await processRing(source, work.handler, work.options(handle.reader.consumer), {
        ...insideOf(handle.reader),
        clock,
      })
    } catch (error) {
      failure = { error }
    }
    work.end(failure !== undefined)
    if (failure !== undefined || !this.#countsItems) {
      // What a failed write has made of the entries is not known here, and losses would be reported again.
      if (failure !== undefined && !isWorkError(failure.error)) {
        this.context.judge('process', failure.error)
      } else if (step.letters && failure !== undefined) throw failure.error
      await this.detach()
      return this.leaveSpent()
    }
    const prefix = this.#prefix(handle)
    this.#checkGivenBack(handle, prefix)
    this.#gaveBack(handle, prefix)
    this.#wentBack(handle)
  }

  /** What `process` gets of the reader: the same, under observation. */
  #sourceOf(handle: ReaderHandle, work: Work): ProcessSource<Uint8Array> {
    const { reader } = handle
    const originals = new Map<Position, RingEntry>()
    const settle = async (
      positions: readonly Position[],
      acknowledge: () => Promise<void>,
    ): Promise<void> => {
      const some = handle.delivered.filter(
        ({ entry, position }) => entry !== undefined && positions.includes(position),
      )
      for (const one of some) work.settling(one.id)
      this.#begin(handle, some)
      const prefix = this.#prefix(handle)
      try {
        await acknowledge()
      } catch (error) {
        work.refused()
        throw error
      }
      if (this.#plan.lazyAck !== false || !some.some((one) => prefix.includes(one))) return
      this.#checkGivenBack(handle, prefix)
      this.#gaveBack(handle, prefix)
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
    const take = async (receive: () => Promise<readonly RingEntry[]>) =>
      (await this.#take(handle, receive)).map(watched)
    const tells = this.context.guarantees.errors.has('RING_DAMAGED')
    return {
      consumer: reader.consumer,
      get held() {
        return reader.held
      },
      get wasHeld() {
        return reader.wasHeld
      },
      tryReceiveMany: (bounds) => take(() => reader.tryReceiveMany(bounds)),
      receiveMany: async (bounds) => {
        if (!tells) return take(() => reader.receiveMany(bounds))
        // Damage behind which there is nothing is counted when it is found.
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
        // Damage that came meanwhile would be counted twice.
        if (tells) return originals.get(entry.position)?.item
        const bytes = await reader.bytesOf(entry)
        const one = handle.delivered.find(({ position }) => position === entry.position)
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
    const some = handle.delivered.slice(0, Math.ceil(handle.delivered.length * part))
    const last = some.at(-1)
    if (last === undefined) return
    const news = some.filter(({ finished }) => !finished)
    this.#begin(handle, some)
    const prefix = this.#prefix(handle)
    this.context.trace(() => `the reader acknowledges all up to item ${last.id}`)
    try {
      await handle.reader.ackThrough(last.position)
    } catch (error) {
      for (const one of news) one.finished = false
      throw error
    }
    if (this.#plan.lazyAck === false) this.#gaveBack(handle, prefix)
  }

  async #flush(handle: ReaderHandle): Promise<void> {
    const prefix = [...this.#prefix(handle)]
    // It would wait for the entries before it.
    const isGap = handle.delivered.some(({ finished }, at) => finished && at >= prefix.length)
    if (isGap) return
    await handle.reader.flush()
    this.#gaveBack(handle, prefix)
  }

  async #rewind(handle: ReaderHandle, all: boolean): Promise<void> {
    if (!this.#countsItems) return
    await handle.reader.rewind({ acknowledgedToo: all })
    this.#wentBack(handle, all)
  }

  #wentBack(handle: ReaderHandle, all = false): void {
    const prefix = new Set(this.#prefix(handle))
    const behind = handle.delivered.filter((one) => !prefix.has(one))
    if (all) for (const one of behind) one.finished = false
    handle.replay = behind.filter(({ finished }) => !finished)
  }

  /** The reader has no more entries than are known, and the entry that it names as holding the others is one of them. */
  #checkUnacked({ reader, delivered }: ReaderHandle): void {
    const { entries, oldest } = reader.unacked
    if (entries > this.#plan.maxUnacked + 1) {
      throw new Violation('held', `${entries} entries are held, at most ${this.#plan.maxUnacked}`)
    }
    if (!this.#countsItems) return
    if (entries > delivered.length) {
      throw new Violation('held', `${entries} entries are held, of ${delivered.length} known`)
    }
    const known = delivered.find(({ position }) => position === oldest?.position)
    if (oldest !== undefined && (known === undefined || known.finished)) {
      throw new Violation('held', `an entry that is finished, or gone, holds the others`)
    }
  }

  protected override describe(step: ReaderStep): string {
    const { kind, id: _, ...how } = step
    return `${kind} ${Object.values(how).join(' ')}`
  }
}
