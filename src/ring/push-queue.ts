import { onAbort } from '../abort.ts'
import { RingError } from '../errors.ts'
import { totalBytes } from './item.ts'
import type { Position, Pushed } from './types.ts'

/** Items of one commit. */
const COMMIT_ITEMS = 8192

/** How much may wait in memory. */
export interface QueueBounds {
  readonly items: number
  readonly bytes: number
}

/** One call, which waits for its items. */
interface Entry {
  /** How many of its items are not pushed yet. */
  items: number
  /** Bytes of these. */
  bytes: number
  readonly signal: AbortSignal | undefined
  readonly resolve: (position: Position) => void
  readonly reject: (reason: unknown) => void
  /** Ends the listening to the signal. */
  unlisten: (() => void) | undefined
}

/** What waits to be pushed, in the order of calling. */
export class PushQueue {
  readonly #bounds: QueueBounds
  readonly #device: string
  /** The calls that wait. */
  #entries: Entry[] = []
  /** How many of them, from the front, have items in the commit under way. */
  #writing = 0
  /** The items of the commit under way. */
  #batch: readonly Uint8Array[] = []
  /** All items behind those. */
  #rest: Uint8Array[] = []
  #bytes = 0

  constructor(bounds: QueueBounds, device: string) {
    this.#bounds = bounds
    this.#device = device
  }

  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#entries.length === 0
  }

  /**
   * Adds the items of one call. Resolves with the position after the last of them, once they are visible; rejects with
   * the signal's reason, unless some of the items are being written then.
   * @throws {RingError} `RING_OVERLOADED`, at once
   * @throws the signal's reason, at once
   */
  add(items: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<Position> {
    signal?.throwIfAborted()
    const bytes = totalBytes(items)
    this.#checkRoom(items.length, bytes)
    for (const item of items) this.#rest.push(item)
    return this.#wait(items.length, bytes, signal)
  }

  /** As `add` of one item, without an array for it: that is a fifth of what a push takes which shares its commit with many. */
  addOne(item: Uint8Array, signal: AbortSignal | undefined): Promise<Position> {
    signal?.throwIfAborted()
    this.#checkRoom(1, item.length)
    this.#rest.push(item)
    return this.#wait(1, item.length, signal)
  }

  #wait(items: number, bytes: number, signal: AbortSignal | undefined): Promise<Position> {
    this.#bytes += bytes
    return new Promise<Position>((resolve, reject) => {
      const entry: Entry = { items, bytes, signal, resolve, reject, unlisten: undefined }
      if (signal !== undefined) entry.unlisten = onAbort(signal, () => this.#abort(entry))
      this.#entries.push(entry)
    })
  }

  /** The items of the next commit, which is under way until `committed`. */
  next(): readonly Uint8Array[] {
    const isAll = this.#rest.length <= COMMIT_ITEMS
    this.#batch = isAll ? this.#rest : this.#rest.slice(0, COMMIT_ITEMS)
    this.#rest = isAll ? [] : this.#rest.slice(COMMIT_ITEMS)
    this.#writing = isAll ? this.#entries.length : this.#entriesOf(COMMIT_ITEMS)
    return this.#batch
  }

  /**
   * Ends the commit: items from the front became visible, if any.
   * @param current the position behind all that was ever pushed
   */
  committed(pushed: Pushed | undefined, current: Position): void {
    const batch = this.#batch
    const count = pushed?.pushed ?? 0
    if (count < batch.length) this.#rest = [...batch.slice(count), ...this.#rest]
    let positions: readonly Position[] | undefined
    let at = 0
    let settled = 0
    for (; settled < this.#writing; settled++) {
      const entry = this.#entries[settled] as Entry
      if (entry.items > count - at) {
        this.#uncount(entry, count - at, totalBytes(batch.slice(at, count)))
        break
      }
      at += entry.items
      this.#uncount(entry, entry.items, entry.bytes)
      entry.unlisten?.()
      if (at < count) positions ??= pushed?.positions
      entry.resolve((at === count ? pushed?.position : positions?.[at - 1]) ?? current)
    }
    this.#entries.splice(0, settled)
    this.#writing = 0
    this.#batch = []
    for (const entry of this.#entries.filter((waiting) => waiting.signal?.aborted === true)) {
      this.#abort(entry)
    }
  }

  /** Ends all waiting. */
  rejectAll(reason: unknown): void {
    this.#writing = 0
    this.#batch = []
    this.#rest = []
    for (const entry of this.#entries.splice(0)) this.#reject(entry, reason)
  }

  /** How many calls, from the front, have the first `items`. */
  #entriesOf(items: number): number {
    let entries = 0
    for (let left = items; left > 0; entries++) left -= this.#entries[entries]?.items ?? left
    return entries
  }

  #abort(entry: Entry): void {
    const index = this.#entries.indexOf(entry)
    if (index < this.#writing) return
    const before = this.#entries.slice(0, index).reduce((sum, { items }) => sum + items, 0)
    this.#rest.splice(before - this.#batch.length, entry.items)
    this.#entries.splice(index, 1)
    this.#reject(entry, entry.signal?.reason)
  }

  #reject(entry: Entry, reason: unknown): void {
    this.#uncount(entry, entry.items, entry.bytes)
    entry.unlisten?.()
    entry.reject(reason)
  }

  #checkRoom(moreItems: number, moreBytes: number): void {
    const items = this.#batch.length + this.#rest.length + moreItems
    const bytes = this.#bytes + moreBytes
    if (!this.empty && (items > this.#bounds.items || bytes > this.#bounds.bytes)) {
      const expected = `at most ${this.#bounds.items} items and ${this.#bounds.bytes} bytes`
      const found = `${items} items and ${bytes} bytes`
      throw new RingError(
        'RING_OVERLOADED',
        `More would wait to be pushed to ${this.#device} than is kept in memory: expected ${expected}, ` +
          `found ${found}; await some pushes before the next`,
        { device: this.#device, expected, found },
      )
    }
  }

  /** So many items of a call do not wait any longer. */
  #uncount(entry: Entry, items: number, bytes: number): void {
    entry.items -= items
    entry.bytes -= bytes
    this.#bytes -= bytes
  }
}
