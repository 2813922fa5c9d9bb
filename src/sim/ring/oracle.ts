import type { Position } from '../../position.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { Violation } from '../runs/violation.ts'
import type { Guarantees } from './guarantees.ts'

/** The fate of an item. */
type Fate =
  /** Pushed, or being pushed; not visible yet. */
  | 'uncommitted'
  /** Its `advance` was called: it may be visible from now on. */
  | 'begun'
  /** Its `advance` resolved: it is never lost. */
  | 'committed'
  /** The handle ended before its `advance` did: it is visible or not, and that is final once a later one is. */
  | 'maybe'
  /** It must never be visible. */
  | 'out'

interface Entry {
  readonly bytes: Uint8Array
  readonly session: number
  fate: Fate
  /** Which `advance` committed it. */
  commit: number | undefined
  /** The `push` itself was rejected: it may be missing among others of its session. */
  rejected: boolean
  position: bigint | undefined
}

/** The items that an `advance` in flight will commit. */
export type Advancing = readonly { fate: Fate }[]

/** Bytes that number an item: no item is shorter. */
export const ITEM_MIN_BYTES = 3

/** The bytes of an item: its number, and a pattern that the number determines. */
export function itemOf(id: number, bytes: number): Uint8Array {
  const item = new Uint8Array(bytes)
  item[0] = id & 255
  item[1] = (id >> 8) & 255
  item[2] = (id >> 16) & 255
  let state = Math.imul(id + 1, 0x9e3779b9)
  for (let at = ITEM_MIN_BYTES; at < bytes; at++) {
    state = (Math.imul(state, 0x915f77f5) + 0x3c6ef372) | 0
    item[at] = state >>> 24
  }
  return item
}

/** One handle of the consumer. */
export class ConsumerSession {
  /** The number of the next item to be delivered after the last; unknown before the first. */
  next: number | undefined
  /** The number of the first item after the consumer's own position, if it is known. */
  own: number | undefined
  /** The number of the last item delivered. */
  last = -1
  /** The position after the last item delivered. */
  at: Position | undefined
  /** The consumer's own position. */
  ownAt: Position
  /** Lost items that earlier handles reported and acknowledged, with no item after them. */
  readonly reportedBefore: number

  constructor(ownAt: Position, reportedBefore = 0) {
    this.ownAt = ownAt
    this.reportedBefore = reportedBefore
  }
}

/**
 * Knows what was pushed, committed, delivered and acknowledged, and throws a `Violation` when a guarantee is violated.
 * It sees only what callers of the ring see, and never the disk.
 *
 * - Each item has a number in its bytes, and its content follows from that: any bytes that were not pushed are
 *   recognised.
 * - Each item has a fate, from `uncommitted` (pushed) over `begun` (its `advance` was called) to `committed` (its
 *   `advance` resolved). If the handle dies in between, the fate is open (`maybe`) until a later item shows it, and
 *   final from then on.
 * - Delivery is in the order of the numbers. A gap must be reported by the ring as damaged or overwritten, item by
 *   item, or consist of items that never counted.
 * - After a loss of the cache the oracle relaxes only what the guarantees under these faults allow.
 */
export class Oracle {
  readonly #guarantees: Guarantees
  readonly #log: Entry[] = []
  readonly #itemsUpTo: ((position: Position) => number) | undefined
  #sessions = 0
  /** Where producers began. */
  readonly #starts: Position[] = []
  #commits = 0
  /** The number after the last acknowledged item: of calls that resolved, and of calls that were begun. */
  #acknowledgedTo = 0
  #acknowledgingTo = 0
  #reportedBefore = 0
  #lastCommitted = -1
  #delivered = 0
  /** Items that the ring reported as overwritten, not acknowledged yet, and their fates before. */
  #overwritten: { readonly id: number; readonly fate: Fate }[] = []

  /** `itemsUpTo`: how many items there were up to a position, if positions say so. */
  constructor(guarantees: Guarantees, itemsUpTo?: (position: Position) => number) {
    this.#guarantees = guarantees
    this.#itemsUpTo = itemsUpTo
  }

  /** The number of deliveries. */
  get delivered(): number {
    return this.#delivered
  }

  /** How many pushes of items were begun. */
  get items(): number {
    return this.#log.length
  }

  /** The number after the last acknowledged item; undefined while that is unknown. */
  get acknowledgedTo(): number | undefined {
    return this.#acknowledgedTo === this.#acknowledgingTo ? this.#acknowledgedTo : undefined
  }

  /** The number of the last item that was committed. */
  get lastCommitted(): number {
    return this.#lastCommitted
  }

  /**
   * The ring reports damaged items.
   * @throws {Violation} more at once than the disk's faults can cost
   */
  reportedDamage(items: number): void {
    const most = this.#guarantees.damagedAtOnce
    if (items > most)
      throw new Violation('costs', `${items} items are damaged, at most ${most} can be`)
  }

  /** A new handle of the producer, which begins at a position. */
  producerSession(start: Position): number {
    this.#starts.push(start)
    return this.#sessions++
  }

  /** Items are about to be pushed. @returns the number of the first */
  pushing(session: number, sizes: readonly number[]): readonly Uint8Array[] {
    return sizes.map((size) => {
      const bytes = itemOf(this.#log.length, Math.max(ITEM_MIN_BYTES, size))
      this.#log.push({
        bytes,
        session,
        fate: 'uncommitted',
        commit: undefined,
        rejected: false,
        position: undefined,
      })
      return bytes
    })
  }

  /** As many of the items as there are positions were pushed. */
  pushed(items: readonly Uint8Array[], positions: readonly bigint[]): void {
    items.forEach((item, index) => {
      const entry = this.#entry(item)
      entry.position = positions[index]
      if (entry.position === undefined) entry.fate = 'out'
    })
  }

  /** The push was rejected. */
  pushFailed(items: readonly Uint8Array[]): void {
    for (const item of items) this.#entry(item).rejected = true
  }

  /** An `advance` to the end of this item begins. */
  advancing(session: number, upTo: Uint8Array): Advancing {
    const entries = this.#upTo(session, upTo).filter(({ fate }) => fate === 'uncommitted')
    for (const entry of entries) entry.fate = 'begun'
    return entries
  }

  /** The `advance` did nothing. */
  notAdvanced(advancing: Advancing): void {
    for (const entry of advancing) if (entry.fate === 'begun') entry.fate = 'uncommitted'
  }

  /** An `advance` of the producer resolved. */
  advanced(session: number, upTo: Uint8Array): void {
    for (const entry of this.#upTo(session, upTo)) {
      if (entry.rejected && entry.fate !== 'committed') entry.fate = 'maybe'
      else if (entry.fate === 'begun') {
        entry.fate = 'committed'
        entry.commit = this.#commits
      }
    }
    this.#commits++
    this.#lastCommitted = Math.max(this.#lastCommitted, numberOf(upTo))
  }

  /** The producer's handle is gone. */
  producerEnded(session: number): void {
    for (const entry of this.#log) {
      if (entry.session !== session) continue
      if (entry.fate === 'uncommitted') entry.fate = 'out'
      if (entry.fate === 'begun') entry.fate = 'maybe'
    }
  }

  /** Items were delivered, after the last one or from the consumer's own position. */
  popped(session: ConsumerSession, popped: readonly PoppedItem[], how: Popping): void {
    const { fromOwn } = how
    let next = fromOwn ? session.own : (session.next ?? session.own)
    let at = fromOwn ? session.ownAt : (session.at ?? session.ownAt)
    popped.forEach(({ item, position, missed = 0 }, index) => {
      const id = this.#identify(item)
      this.#delivered++
      const damaged = index === 0 ? how.damaged : 0
      this.#checkCount(id, { from: at, to: position, reported: missed + damaged, next })
      at = position
      const { losses } = this.#guarantees
      const before = next === undefined ? session.reportedBefore : 0
      const reported = (losses.overwritten ? missed : 0) + (losses.damaged ? damaged + before : 0)
      if (this.#guarantees.authentic) this.#checkPosition(id, position)
      if (this.#guarantees.lossless) this.#checkCursor(id, next, reported)
      else if (this.#guarantees.authentic && !fromOwn && id <= session.last) {
        throw new Violation('reordered', `item ${id} was delivered after item ${session.last}`)
      }
      if (session.own === undefined && (fromOwn || session.next === undefined)) {
        session.own = id
        // The consumer's own position is known now, unless items after it were overwritten; it may still go back to
        // what is stable.
        if (missed === 0) this.#acknowledgingTo = Math.max(this.#acknowledgedTo, id)
      }
      next = id + 1
      if (!fromOwn) session.last = id
    })
    if (fromOwn) return
    session.next = next
    session.at = at
  }

  /** The ring said that it is empty, when this many items had been committed before the call. */
  empty(session: ConsumerSession, committed: number): void {
    const { lossless, losses } = this.#guarantees
    // Losses may be reported with the next item.
    if (!lossless || losses.overwritten || losses.damaged) return
    const next = session.next ?? this.#acknowledgingTo
    const missing = this.#log.findIndex(
      ({ fate }, id) => id >= next && id <= committed && fate === 'committed',
    )
    if (missing >= 0) {
      throw new Violation('lost', `item ${missing} was committed, but the ring says it is empty`)
    }
  }

  /** True if a consumer's cursor moved: where an epoch begins at it, its position changes, and the cursor does not. */
  hasMoved(from: Position, to: Position): boolean {
    const items = this.#itemsUpTo
    return items === undefined ? from !== to : items(from) !== items(to)
  }

  /** A handle reported lost items, and acknowledged them, with no item after them. */
  skippedLost(items: number): void {
    this.#reportedBefore += items
  }

  /** Lost items that were acknowledged since the last item was delivered. */
  get reportedBefore(): number {
    return this.#reportedBefore
  }

  /** The consumer begins to acknowledge everything before an item's number. */
  acknowledging(next: number): void {
    this.#acknowledgingTo = Math.max(this.#acknowledgingTo, next)
  }

  /** An acknowledgement of the consumer resolved. */
  acknowledged(session: ConsumerSession, next: number, position: Position): void {
    this.#acknowledgedTo = Math.max(this.#acknowledgedTo, next)
    this.#acknowledgingTo = this.#acknowledgedTo
    this.#reportedBefore = 0
    this.#overwritten = this.#overwritten.filter(({ id }) => id >= next)
    session.own = next
    session.ownAt = position
  }

  /**
   * The disk lost its cache. For items that are not acknowledged, the overwriting may have been only there: they come
   * after all, or are reported again.
   */
  cacheLost(): void {
    for (const { id, fate } of this.#overwritten) (this.#log[id] as Entry).fate = fate
    this.#overwritten = []
  }

  /** The lengths of the unacknowledged items, if those before `next` are acknowledged; `undefined`: unknown. */
  waiting(next: number): readonly number[] | undefined {
    const rest = this.#log.slice(next)
    if (rest.some(({ fate }) => fate === 'maybe' || fate === 'begun')) return undefined
    return rest.filter(({ fate }) => fate === 'committed').map(({ bytes }) => bytes.length)
  }

  /**
   * Items were found on the device without a role, newest first.
   * @throws {Violation} one was never pushed, or was dropped, or they are in another order
   */
  foundPast(items: readonly PoppedItem[]): void {
    const { authentic, lossless, losses } = this.#guarantees
    if (!authentic) return
    let behind = this.#log.length
    for (const { item } of items) {
      const id = this.#identify(item)
      if (!lossless) continue
      if (id >= behind)
        throw new Violation('reordered', `item ${id} was found before item ${behind}`)
      behind = id
      // Items that an overwriting ring gave up count as dropped, and are still on the device.
      if (this.#log[id]?.fate === 'out' && !losses.overwritten && !losses.damaged) {
        throw new Violation('exposed', `item ${id} was found, but it was dropped before`)
      }
    }
  }

  /** True if an item was committed: then it is lost only if the ring reports it. */
  isCommitted(id: number): boolean {
    return this.#log[id]?.fate === 'committed'
  }

  /** Names an item for people. */
  describe(item: Uint8Array): string {
    return `item ${numberOf(item)} (${item.length} bytes)`
  }

  #entry(item: Uint8Array): Entry {
    return this.#log[numberOf(item)] as Entry
  }

  #upTo(session: number, upTo: Uint8Array): readonly Entry[] {
    return this.#log
      .slice(0, numberOf(upTo) + 1)
      .filter((entry) => entry.session === session && entry.fate !== 'out')
  }

  /** Which item this is. */
  #identify(item: Uint8Array): number {
    const id = item.length < ITEM_MIN_BYTES ? -1 : numberOf(item)
    const entry = this.#log[id]
    if (entry !== undefined && equal(entry.bytes, item)) return id
    if (!this.#guarantees.authentic) return -1
    throw new Violation(
      'invented',
      `${item.length} bytes were delivered that were never pushed (${hex(item.subarray(0, 16))}…)`,
    )
  }

  /** Positions count on without a gap, except for what the ring reported as lost. */
  #checkCount(id: number, { from, to, reported, next }: Counted): void {
    const items = this.#itemsUpTo
    if (!this.#guarantees.authentic || items === undefined) return
    const cursor = this.#unmerged(from, next ?? this.#acknowledgingTo, items)
    // Where a producer began with less than was delivered before, because that was lost, it counts on from there.
    const begun = this.#starts.filter((start) => cursor < start && start <= to)
    const missing = items(to) - Math.min(...[from, ...begun].map(items)) - 1
    // A producer that was killed while it attached may have begun even earlier.
    if (missing < 0 || missing === reported) return
    throw new Violation(
      'miscounted',
      `item ${id} comes after ${missing} others, of ${reported} reported`,
    )
  }

  /**
   * A position as the producer returned it: where epochs were merged, the consumer shows the first of them. The item
   * that ends there is not always the one right before the next to be delivered: that may have been overwritten.
   */
  #unmerged(from: Position, next: number, items: (position: Position) => number): Position {
    const ends = ({ position }: Entry): boolean =>
      position !== undefined && items(position as Position) === items(from)
    const before = this.#log.findLast((entry, id) => id < next && ends(entry))?.position
    return before !== undefined && before > from ? (before as Position) : from
  }

  #checkPosition(id: number, position: bigint): void {
    const entry = this.#log[id] as Entry
    // The producer may have died before it returned one.
    entry.position ??= position
    if (entry.position === position) return
    throw new Violation(
      'position',
      `item ${id} ended at ${entry.position} before, and ends at ${position} now`,
    )
  }

  #checkCursor(id: number, next: number | undefined, reported: number): void {
    const entry = this.#log[id] as Entry
    if (entry.fate === 'out' || entry.fate === 'uncommitted') {
      const why = entry.fate === 'out' ? 'was dropped before' : 'was not advanced'
      throw new Violation('exposed', `item ${id} was delivered, but it ${why}`)
    }
    const goesBack = next === undefined && this.#guarantees.losses.damaged
    if (id < (next ?? this.#acknowledgedTo) && !goesBack) {
      const why = next === undefined ? 'it was acknowledged' : `item ${next - 1} was`
      throw new Violation('repeated', `item ${id} was delivered again, after ${why}`)
    }
    this.#skip(next ?? this.#acknowledgingTo, id, reported)
  }

  /**
   * Items were skipped: neither they nor those that depended on them are ever delivered. The exception: a damaged slot
   * makes the ring use the older one, which may not record yet that they were given up.
   */
  #skip(from: number, delivered: number, reported: number): void {
    const skipped = this.#log.slice(from, Math.max(from, delivered))
    const lost = skipped.filter(({ fate }) => fate === 'committed')
    if (lost.length > reported && !this.#mayLose(lost, lost.length - reported)) {
      const id = this.#log.indexOf(lost[reported] as Entry)
      throw new Violation('lost', `item ${id} was committed, but item ${delivered} came instead`)
    }
    skipped.forEach((entry, index) => {
      const { fate } = entry
      if (entry.fate === 'maybe' && !entry.rejected && reported === 0) {
        for (const later of this.#log.slice(this.#log.indexOf(entry))) {
          if (later.session === entry.session && later.fate === 'maybe') later.fate = 'out'
        }
      }
      const { overwritten, damaged } = this.#guarantees.losses
      if (entry.fate === 'maybe') entry.fate = 'out'
      if (entry.fate === 'committed' && !(overwritten && damaged)) entry.fate = 'out'
      if (overwritten && reported > 0 && fate !== entry.fate) {
        this.#overwritten.push({ id: from + index, fate })
      }
    })
  }

  /** Damage of the last batch looks like an incomplete batch: it costs what that committed, and no more. */
  #mayLose(lost: readonly Entry[], unreported: number): boolean {
    const together = (one: Entry): number =>
      lost.filter(({ commit }) => commit === one.commit).length
    return this.#guarantees.losses.damaged && lost.some((one) => together(one) >= unreported)
  }
}

/** A count of items between two positions. */
interface Counted {
  readonly from: Position
  readonly to: Position
  /** Lost items that the ring reported. */
  readonly reported: number
  /** The number after the item that ends at `from`, if it is known. */
  readonly next: number | undefined
}

/** How items were popped. */
export interface Popping {
  /** From the consumer's own position, not from the last popped item. */
  readonly fromOwn: boolean
  /** How many items before the first were damaged, by the ring's report. */
  readonly damaged: number
}

function numberOf(item: Uint8Array): number {
  return (item[0] ?? 0) | ((item[1] ?? 0) << 8) | ((item[2] ?? 0) << 16)
}

/** The number of an item that the oracle made. */
export function itemNumber(item: Uint8Array): number {
  return numberOf(item)
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
