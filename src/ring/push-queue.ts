import { onAbort } from '../abort.ts'
import { RingError } from '../errors.ts'
import { totalBytes } from './item.ts'
import type { Position } from './types.ts'

/** Items of one commit. */
const COMMIT_ITEMS = 8192

/** How much may wait in memory. */
export interface QueueBounds {
  readonly items: number
  readonly bytes: number
}

/** The items of one call, and what the caller waits for. */
interface Entry {
  readonly items: readonly Uint8Array[]
  /** How many of them are pushed. */
  done: number
  /** Whether some of the items are in the commit under way. */
  writing: boolean
  readonly signal: AbortSignal | undefined
  readonly resolve: (position: Position) => void
  readonly reject: (reason: unknown) => void
  /** Ends the listening to the signal. */
  unlisten?: () => void
}

/** What waits to be pushed, in the order of calling. */
export class PushQueue {
  readonly #bounds: QueueBounds
  readonly #device: string
  #entries: Entry[] = []
  #items = 0
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
    this.#count(items)
    return new Promise<Position>((resolve, reject) => {
      const entry: Entry = { items, done: 0, writing: false, signal, resolve, reject }
      if (signal !== undefined) entry.unlisten = onAbort(signal, () => this.#abort(entry))
      this.#entries.push(entry)
    })
  }

  /** The items of the next commit, which is under way until `committed`. */
  next(): readonly Uint8Array[] {
    const batch: Uint8Array[] = []
    for (const entry of this.#entries) {
      if (batch.length >= COMMIT_ITEMS) break
      entry.writing = true
      const { items, done } = entry
      const end = Math.min(items.length, done + COMMIT_ITEMS - batch.length)
      for (let index = done; index < end; index++) batch.push(items[index] as Uint8Array)
    }
    return batch
  }

  /** Ends the commit: items from the front became visible, up to these positions, perhaps none. */
  committed(positions: readonly Position[], current: Position): void {
    let at = 0
    let settled = 0
    for (const entry of this.#entries) {
      if (!entry.writing) break
      const pushed = Math.min(entry.items.length - entry.done, positions.length - at)
      at += pushed
      this.#uncount(entry, pushed)
      if (entry.done < entry.items.length) break
      settled++
      entry.unlisten?.()
      entry.resolve(positions[at - 1] ?? current)
    }
    this.#entries.splice(0, settled)
    for (const entry of this.#entries) entry.writing = false
    for (const entry of this.#entries.filter((waiting) => waiting.signal?.aborted === true)) {
      this.#abort(entry)
    }
  }

  /** Ends all waiting. */
  rejectAll(reason: unknown): void {
    for (const entry of this.#entries.splice(0)) this.#reject(entry, reason)
  }

  #abort(entry: Entry): void {
    if (entry.writing) return
    this.#entries.splice(this.#entries.indexOf(entry), 1)
    this.#reject(entry, entry.signal?.reason)
  }

  #reject(entry: Entry, reason: unknown): void {
    this.#uncount(entry, entry.items.length - entry.done)
    entry.unlisten?.()
    entry.reject(reason)
  }

  #count(items: readonly Uint8Array[]): void {
    const count = this.#items + items.length
    const bytes = this.#bytes + totalBytes(items)
    if (!this.empty && (count > this.#bounds.items || bytes > this.#bounds.bytes)) {
      const expected = `at most ${this.#bounds.items} items and ${this.#bounds.bytes} bytes`
      const found = `${count} items and ${bytes} bytes`
      throw new RingError(
        'RING_OVERLOADED',
        `More would wait to be pushed to ${this.#device} than is kept in memory: expected ${expected}, ` +
          `found ${found}; await some pushes before the next`,
        { device: this.#device, expected, found },
      )
    }
    this.#items = count
    this.#bytes = bytes
  }

  /** So many more items of a call do not wait any longer. */
  #uncount(entry: Entry, count: number): void {
    const end = entry.done + count
    for (; entry.done < end; entry.done++) {
      this.#bytes -= (entry.items[entry.done] as Uint8Array).length
    }
    this.#items -= count
  }
}
