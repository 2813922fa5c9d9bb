import type { PoppedItem } from '../ring/types.ts'
import type { Promises } from './promises.ts'

/** What became of an item. */
type Fate =
  /** Pushed, or being pushed; not to be seen yet. */
  | 'held'
  /** Its `advance` was begun: it may be seen from now on. */
  | 'begun'
  /** Its `advance` resolved: it is never lost. */
  | 'acknowledged'
  /** The handle ended before its `advance` did: it is seen, or it is not, but that for good once a later one is. */
  | 'maybe'
  /** It must never be seen. */
  | 'out'

interface Entry {
  readonly bytes: Uint8Array
  readonly session: number
  fate: Fate
  /** The `push` itself was rejected: it may be missing among others of its session. */
  rejected: boolean
  position: bigint | undefined
}

/** What an `advance` under way is to make visible. */
export type Advancing = readonly { fate: Fate }[]

/** The ring did what it must not. */
export class Violation extends Error {
  /** What kind of promise was broken. */
  readonly kind: string

  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}

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
  /** The number of the next item to be delivered behind the last; unknown before the first. */
  next: number | undefined
  /** The number of the first item behind the consumer's own position, if it is known. */
  own: number | undefined
  /** The number of the last item delivered. */
  last = -1
}

/** Knows what was pushed, acknowledged, delivered and given back, and says when a promise is broken. */
export class Oracle {
  readonly #promises: Promises
  readonly #log: Entry[] = []
  #sessions = 0
  /** The number behind the last item that a consumer gave back, acknowledged and begun. */
  #gaveBack = 0
  #givesBack = 0
  #lastAcknowledged = -1
  #delivered = 0

  constructor(promises: Promises) {
    this.#promises = promises
  }

  /** How many deliveries there were. */
  get delivered(): number {
    return this.#delivered
  }

  /** The number of the last item that was acknowledged. */
  get lastAcknowledged(): number {
    return this.#lastAcknowledged
  }

  /** A new handle of the producer. */
  producerSession(): number {
    return this.#sessions++
  }

  /** Items are about to be pushed. @returns the number of the first */
  pushing(session: number, sizes: readonly number[]): readonly Uint8Array[] {
    return sizes.map((size) => {
      const bytes = itemOf(this.#log.length, Math.max(ITEM_MIN_BYTES, size))
      this.#log.push({ bytes, session, fate: 'held', rejected: false, position: undefined })
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
    const entries = this.#upTo(session, upTo).filter(({ fate }) => fate === 'held')
    for (const entry of entries) entry.fate = 'begun'
    return entries
  }

  /** It did nothing, after all. */
  notAdvanced(advancing: Advancing): void {
    for (const entry of advancing) if (entry.fate === 'begun') entry.fate = 'held'
  }

  /** It resolved. */
  advanced(session: number, upTo: Uint8Array): void {
    for (const entry of this.#upTo(session, upTo)) {
      if (entry.rejected && entry.fate !== 'acknowledged') entry.fate = 'maybe'
      else if (entry.fate === 'begun') entry.fate = 'acknowledged'
    }
    this.#lastAcknowledged = Math.max(this.#lastAcknowledged, numberOf(upTo))
  }

  /** The producer's handle is gone. */
  producerEnded(session: number): void {
    for (const entry of this.#log) {
      if (entry.session !== session) continue
      if (entry.fate === 'held') entry.fate = 'out'
      if (entry.fate === 'begun') entry.fate = 'maybe'
    }
  }

  /** Items were delivered, behind the last one or from the consumer's own position. */
  popped(session: ConsumerSession, popped: readonly PoppedItem[], fromOwn: boolean): void {
    let next = fromOwn ? session.own : (session.next ?? session.own)
    for (const { item, position } of popped) {
      const id = this.#identify(item)
      this.#delivered++
      if (this.#promises.lossless) this.#checkPlace(id, next, position)
      else if (this.#promises.authentic && !fromOwn && id <= session.last) {
        throw new Violation('reordered', `item ${id} was delivered after item ${session.last}`)
      }
      if (session.own === undefined && (fromOwn || session.next === undefined)) {
        session.own = id
        // What the consumer's pointer says is known now; it may still go back to what is stable.
        this.#givesBack = Math.max(this.#gaveBack, id)
      }
      next = id + 1
      if (!fromOwn) session.last = id
    }
    if (!fromOwn) session.next = next
  }

  /** The ring said that there is nothing, when so much had been acknowledged before it was asked. */
  empty(session: ConsumerSession, acknowledged: number): void {
    if (!this.#promises.lossless) return
    const next = session.next ?? this.#givesBack
    const missing = this.#log.findIndex(
      ({ fate }, id) => id >= next && id <= acknowledged && fate === 'acknowledged',
    )
    if (missing >= 0) {
      throw new Violation('lost', `item ${missing} was acknowledged, but the ring says it is empty`)
    }
  }

  /** The consumer gives back what is before an item's number. */
  givesBack(next: number): void {
    this.#givesBack = Math.max(this.#givesBack, next)
  }

  /** That resolved. */
  gaveBack(session: ConsumerSession, next: number): void {
    this.#gaveBack = Math.max(this.#gaveBack, next)
    this.#givesBack = this.#gaveBack
    session.own = next
  }

  /** The lengths of the items that wait, when those before `next` were given back; `undefined`: nobody knows. */
  waiting(next: number): readonly number[] | undefined {
    const rest = this.#log.slice(next)
    if (rest.some(({ fate }) => fate === 'maybe' || fate === 'begun')) return undefined
    return rest.filter(({ fate }) => fate === 'acknowledged').map(({ bytes }) => bytes.length)
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
    if (!this.#promises.authentic) return -1
    throw new Violation(
      'invented',
      `${item.length} bytes were delivered that were never pushed (${hex(item.subarray(0, 16))}…)`,
    )
  }

  #checkPlace(id: number, next: number | undefined, position: bigint): void {
    const entry = this.#log[id] as Entry
    if (entry.fate === 'out' || entry.fate === 'held') {
      const why = entry.fate === 'out' ? 'was dropped before' : 'was not advanced'
      throw new Violation('exposed', `item ${id} was delivered, but it ${why}`)
    }
    if (entry.position !== undefined && entry.position !== position) {
      throw new Violation(
        'position',
        `item ${id} ends at ${entry.position} for the producer, at ${position} for the consumer`,
      )
    }
    if (id < (next ?? this.#gaveBack)) {
      const why = next === undefined ? 'it was given back' : `item ${next - 1} was`
      throw new Violation('repeated', `item ${id} was delivered again, after ${why}`)
    }
    for (let skipped = next ?? this.#givesBack; skipped < id; skipped++) this.#skip(skipped, id)
  }

  /** An item was passed over: it never comes any more, nor do those that depended on it. */
  #skip(id: number, delivered: number): void {
    const entry = this.#log[id] as Entry
    if (entry.fate === 'acknowledged') {
      throw new Violation('lost', `item ${id} was acknowledged, but item ${delivered} came instead`)
    }
    if (entry.fate !== 'maybe') return
    entry.fate = 'out'
    if (entry.rejected) return
    for (const later of this.#log.slice(id)) {
      if (later.session === entry.session && later.fate === 'maybe') later.fate = 'out'
    }
  }
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
