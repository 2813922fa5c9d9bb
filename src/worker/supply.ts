import { RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import { internalsOf, type RingReader } from '../ring/queue/reader.ts'
import { onAbort } from '../util/abort.ts'
import { Serial } from '../util/serial.ts'

/** An entry that a page has, or that is on its way there. */
export interface Delivery {
  readonly entry: RingEntry<Uint8Array>
  /** Its bytes; undefined once they are sent. */
  bytes: Uint8Array | undefined
}

/** A delivery with its bytes. */
export type WholeDelivery = Delivery & { readonly bytes: Uint8Array }

/** Limits of a page's call. */
export interface Limits {
  /** The number of entries that the page can take at this moment. */
  readonly room: () => number
  readonly maxBytes: number
}

interface Waiter extends Limits {
  readonly resolve: (deliveries: readonly WholeDelivery[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Hands the entries of one reader to pages: each entry to one of them, in the order of their calls.
 *
 * - At most one read is in progress. Entries that arrive after its callers have gone are kept for the next call.
 * - Entries that a page did not acknowledge before it ended come back, and go out again before newer ones. Their bytes
 *   are read again, because the first page has them.
 */
export class Supply {
  readonly reader: RingReader
  /** In the order of the ring. */
  #ready: Delivery[] = []
  readonly #waiting = new Set<Waiter>()
  readonly #seeking = new Serial()
  #isReading = false
  #isServing = false
  #closed: RingError | undefined

  constructor(reader: RingReader) {
    this.reader = reader
  }

  /**
   * The next entries, at least one.
   * @throws as `RingReader.receiveMany`; the signal's reason: then none was taken
   */
  async take(limits: Limits, signal: AbortSignal): Promise<readonly WholeDelivery[]> {
    if (this.#closed !== undefined) throw this.#closed
    let waiter: Waiter | undefined
    let listening = (): void => undefined
    try {
      return await new Promise((resolve, reject) => {
        waiter = { ...limits, resolve, reject }
        this.#waiting.add(waiter)
        listening = onAbort(signal, () => this.#dequeue(waiter)?.reject(signal.reason))
        this.serve()
      })
    } finally {
      listening()
    }
  }

  /**
   * Continues after a position. Does nothing if another page has made the reader continue there before.
   * @throws {RangeError} no item was delivered up to there
   */
  async seek(position: Position): Promise<void> {
    await this.#seeking.run(async () => {
      if (position > this.reader.position) await this.reader.seek(position)
    })
    this.serve()
  }

  /** True if a write of acknowledgements failed for good, so that only another reader can continue. */
  get hasEnded(): boolean {
    return internalsOf(this.reader).hasEnded()
  }

  /** Takes back entries that were not acknowledged. */
  takeBack(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    this.#putBack(deliveries)
    this.serve()
  }

  /** Closes the reader. Waiting calls reject with `RING_CLOSED`, even those without a read in progress. */
  close(): Promise<void> {
    this.#closed ??= new RingError('RING_CLOSED', 'The reader was closed', {})
    this.#fail(this.#closed)
    return this.reader.close()
  }

  /** Hands out the entries available, and reads on. Called whenever a page has room again. */
  serve(): void {
    if (!this.#isServing) void this.#serve()
  }

  async #serve(): Promise<void> {
    this.#isServing = true
    try {
      for (;;) {
        const waiter = [...this.#waiting].find(({ room }) => room() > 0)
        if (waiter === undefined) return
        const chosen = this.#choose(waiter)
        if (chosen.length === 0) {
          if (!this.#isReading) void this.#read(waiter)
          return
        }
        const whole = await this.#loaded(chosen)
        // Its signal may have been aborted meanwhile.
        const isLeft = whole.length === 0 || this.#dequeue(waiter) === undefined
        if (isLeft) this.takeBack(whole)
        else waiter.resolve(whole)
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isServing = false
    }
  }

  #putBack(deliveries: readonly Delivery[]): void {
    this.#ready = [...this.#ready, ...deliveries].sort((a, b) =>
      a.entry.position < b.entry.position ? -1 : 1,
    )
  }

  /** Removes a call from those that wait; undefined if it has already ended. */
  #dequeue(waiter: Waiter | undefined): Waiter | undefined {
    return waiter !== undefined && this.#waiting.delete(waiter) ? waiter : undefined
  }

  #choose({ room, maxBytes }: Waiter): readonly Delivery[] {
    let bytes = 0
    const most = this.#ready.slice(0, room())
    const tooMany = most.findIndex(({ entry }, index) => {
      bytes += entry.storedBytes
      return index > 0 && bytes > maxBytes
    })
    return this.#ready.splice(0, tooMany < 0 ? most.length : tooMany)
  }

  /** The same deliveries with their bytes, without those whose item was overwritten meanwhile. */
  async #loaded(deliveries: readonly Delivery[]): Promise<readonly WholeDelivery[]> {
    const whole: WholeDelivery[] = []
    for (const [index, delivery] of deliveries.entries()) {
      try {
        const bytes = delivery.bytes ?? (await this.reader.bytesOf(delivery.entry))
        if (bytes !== undefined) whole.push(Object.assign(delivery, { bytes }))
      } catch (error) {
        this.#putBack([...whole, ...deliveries.slice(index)])
        throw error
      }
    }
    return whole
  }

  async #read({ room, maxBytes }: Waiter): Promise<void> {
    this.#isReading = true
    try {
      const entries = await this.reader.receiveMany({ maxItems: room(), maxBytes })
      this.#ready.push(...entries.map((entry) => ({ entry, bytes: entry.item })))
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isReading = false
    }
    this.serve()
  }

  /** Rejects the pending calls. The next call tries again. */
  #fail(error: unknown): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
  }
}
