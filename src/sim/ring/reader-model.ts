import type { Position } from '../../position.ts'
import type { RingEntry } from '../../ring/queue/entry.ts'
import type { RingReader } from '../../ring/queue/reader.ts'
import { Violation } from '../runs/violation.ts'
import type { ActorContext } from './actor.ts'
import { ConsumerSession, itemNumber } from './oracle.ts'

/** An item that was delivered, or damage that was skipped, and that is still in the ring as far as is known. */
export interface Delivered {
  /** The item's number; of damage, that of the item before. */
  readonly id: number
  readonly position: Position
  /** Absent if it stands for damage. */
  readonly entry?: RingEntry
  /** The bytes as they were delivered. */
  readonly bytes?: Uint8Array
  /** How many damaged items it stands for. */
  readonly damaged: number
  /** Its acknowledgement began, and was not rejected. */
  finished: boolean
}

/**
 * The expected behaviour of a reader, item by item: everything delivered, and what of it is acknowledged. It determines
 * how far the ring may advance, and which items the reader must not deliver again.
 */
export class ReaderModel {
  readonly reader: RingReader
  readonly session: ConsumerSession
  /** In the order of the ring. */
  delivered: Delivered[] = []
  /** Damaged items that were reported since the last item. */
  damaged = 0
  readonly #context: ActorContext
  /** Delivered before the reader went back, not acknowledged then, and not delivered again so far. */
  replay: Delivered[] = []
  /** The number of the last item that was delivered. */
  front = -1

  constructor(reader: RingReader, context: ActorContext) {
    this.reader = reader
    this.session = new ConsumerSession(reader.consumer.position, context.oracle.reportedBefore)
    this.#context = context
  }

  /** Damage was skipped. */
  skip(damaged: number, position: Position): void {
    this.damaged += damaged
    this.delivered.push({ id: this.front, position, damaged, finished: true })
    if (this.prefix().length === this.delivered.length) {
      this.#context.oracle.skippedLost(damaged)
    }
  }

  /** An entry was delivered: compares it with the expected one. */
  deliver(entry: RingEntry): void {
    const { oracle, trace } = this.#context
    const { item, position, missed } = entry
    trace(() => `the reader got ${oracle.describe(item)}`)
    const id = itemNumber(item)
    const known = this.countsItems
      ? this.delivered.find((one) => one.entry !== undefined && one.id === id)
      : undefined
    if (known !== undefined) {
      this.#again(known, entry)
      return
    }
    this.vanish(this.replay.splice(0))
    this.#cut(position)
    const popped = { item, position, ...(missed !== undefined && { missed }) }
    oracle.popped(this.session, [popped], { fromOwn: false, damaged: this.damaged })
    this.damaged = 0
    this.front = id
    const bytes = new Uint8Array(item)
    this.delivered.push({ id, position, entry, bytes, damaged: 0, finished: false })
  }

  /** Checks that unacknowledged items are unchanged, views included. */
  #checkUnchanged(some: readonly Delivered[]): void {
    const changed = new Set(this.replay.map(({ id }) => id))
    for (const { id, entry, bytes, finished } of some) {
      if (finished || entry === undefined || bytes === undefined || changed.has(id)) continue
      if (!isEqual(entry.item, bytes)) {
        throw new Violation('view', `item ${id} has changed before it was acknowledged`)
      }
    }
  }

  /** Checks that after a rewind all unacknowledged items are delivered again, and no others. */
  #again(known: Delivered, entry: RingEntry): void {
    const at = this.replay.indexOf(known)
    if (at < 0 || known.finished) {
      throw new Violation('repeated', `item ${known.id} was delivered again to the same reader`)
    }
    if (known.position !== entry.position) {
      throw new Violation('position', `item ${known.id} ends somewhere else now`)
    }
    if (known.bytes !== undefined && !isEqual(entry.item, known.bytes)) {
      throw new Violation('altered', `item ${known.id} has other bytes now`)
    }
    this.vanish(this.replay.splice(0, at))
    this.replay.shift()
    const index = this.delivered.indexOf(known)
    this.delivered[index] = { ...known, entry }
  }

  /** Items were not delivered again: they were lost with a cache, so they were never committed. */
  vanish(items: readonly Delivered[]): void {
    const { oracle } = this.#context
    for (const one of items) {
      if (one.finished) continue
      if (oracle.isCommitted(one.id)) {
        throw new Violation('lost', `item ${one.id} is not acknowledged, and did not come again`)
      }
      this.delivered = this.delivered.filter((other) => other !== one)
    }
  }

  /** An item has the number of others that were delivered before: those were lost with a cache. */
  #cut(position: Position): void {
    const items = this.#context.ring.itemsUpTo
    if (items === undefined) return
    const number = items(position)
    this.delivered = this.delivered.filter((one) => items(one.position) < number)
  }

  /**
   * True if it is known of each delivered item whether it is in the ring. If not, losses may be reported again after a
   * rewind.
   */
  get countsItems(): boolean {
    const { lossless, losses } = this.#context.guarantees
    return lossless && !losses.overwritten && !losses.damaged
  }

  /** The longest finished prefix. */
  prefix(): readonly Delivered[] {
    const { delivered } = this
    const end = delivered.findIndex(({ finished }) => !finished)
    return delivered.slice(0, end < 0 ? undefined : end)
  }

  /** The number after the last item that the ring may advance past. */
  #mayAcknowledge(): number | undefined {
    const { oracle, guarantees } = this.#context
    const { overwritten } = guarantees.losses
    const { position } = this.reader.consumer
    // If losses hide that an epoch began, uncommitted items may be gone; and overwritten items count as finished.
    const mayBeGone = (one: Delivered): boolean =>
      (!this.countsItems && !oracle.isCommitted(one.id)) ||
      (overwritten && one.position <= position)
    const { delivered } = this
    const end = delivered.findIndex((one) => !one.finished && !mayBeGone(one))
    const last = delivered.findLast(
      ({ entry, finished }, at) => entry !== undefined && finished && (end < 0 || at < end),
    )
    return last === undefined ? undefined : last.id + 1
  }

  /** Some acknowledgements began: from now on the ring may advance past the finished prefix. */
  begin(some: readonly Delivered[]): void {
    this.#checkUnchanged(some)
    for (const one of some) one.finished = true
    const next = this.#mayAcknowledge()
    if (next !== undefined) this.#context.oracle.acknowledging(next)
  }

  /** The acknowledgements resolved: these deliveries have left the ring, durably. */
  acknowledged(prefix: readonly Delivered[]): void {
    const { oracle } = this.#context
    const still = new Set(this.prefix())
    const known = prefix.findIndex((one) => !still.has(one))
    const given = known < 0 ? prefix : prefix.slice(0, known)
    const last = given.findLast(({ entry }) => entry !== undefined)
    if (last === undefined) return
    oracle.acknowledged(this.session, last.id + 1, last.position)
    this.delivered = this.delivered.filter((one) => !given.includes(one))
    const behind = given.slice(given.indexOf(last) + 1)
    oracle.skippedLost(behind.reduce((sum, { damaged }) => sum + damaged, 0))
    this.begin([])
  }

  /** Checks that the prefix acknowledged when the write began has left the ring, as far as it still is acknowledged. */
  checkAcknowledged(prefix: readonly Delivered[]): void {
    const end = prefix.findIndex(({ finished }) => !finished)
    const last = end < 0 ? prefix.at(-1) : prefix[end - 1]
    if (last === undefined || last.position <= this.reader.consumer.position) return
    throw new Violation(
      'held',
      `item ${last.id} is acknowledged without a gap, and still in the ring`,
    )
  }

  goBack(all = false): void {
    const prefix = new Set(this.prefix())
    const behind = this.delivered.filter((one) => !prefix.has(one))
    const unfinished = behind.filter(({ finished }) => !finished)
    if (all) for (const one of behind) one.finished = false
    this.replay = behind.filter(({ finished }) => !finished)
    // What a program does to its items must not affect the ring.
    for (const { entry } of unfinished) entry?.item.fill(0xee)
  }

  /**
   * Checks that the reader has no more entries than the model, and that the one it names as holding the others is among
   * them.
   */
  checkUnacked(maxUnacked: number): void {
    const { delivered, reader } = this
    const { entries, oldest } = reader.unacked
    if (entries > maxUnacked + 1) {
      throw new Violation('held', `${entries} entries are held, at most ${maxUnacked}`)
    }
    if (!this.countsItems) return
    if (entries > delivered.length) {
      throw new Violation('held', `${entries} entries are held, of ${delivered.length} known`)
    }
    const known = delivered.find(({ position }) => position === oldest?.position)
    if (oldest !== undefined && (known === undefined || known.finished)) {
      throw new Violation('held', `an entry that is finished, or gone, holds the others`)
    }
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
