import { isRingError, RingError } from '../errors.ts'
import { Fifo } from '../jobs/fifo.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import { RingReader } from '../ring/queue/reader.ts'
import type { WaitingOptions } from '../ring/queue/writer.ts'
import { untilAborted } from '../util/abort.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { Supply } from './supply.ts'

/** How {@link receiveFrom} goes about it. */
export interface FanInOptions<Out> {
  /**
   * Called when a ring fails, with what its reader threw: the others go on. After a `CodecError` the ring goes on behind that item too;
   * after any other error it is taken out, and `add` puts it back. Default: `receive` throws it.
   */
  readonly onFailed?: (error: unknown, reader: RingReader<Out>) => void
}

/** An entry, and the ring that it is of. */
export interface Received<Out> {
  /** As the reader delivered it; it is acknowledged as ever. */
  readonly entry: RingEntry<Out>
  readonly reader: RingReader<Out>
}

const KINDS: OptionKinds<FanInOptions<never>> = { onFailed: 'function' }

/**
 * One loop over many rings: the rings take turns, entry by entry, and each ring's order is kept. Rings are added and removed while it
 * runs. The readers stay their opener's: nothing here closes one. Meanwhile do not receive from them otherwise, nor move them.
 * @throws {TypeError} there is no such option; something is not a `RingReader`, or twice the same
 */
export function receiveFrom<Out>(
  readers: Iterable<RingReader<Out>>,
  options: FanInOptions<Out> = {},
): FanIn<Out> {
  checkOptions('receiveFrom', options, KINDS)
  const fan = new FanIn<Out>(options)
  for (const reader of readers) fan.add(reader)
  return fan
}

/** The loop over many rings that {@link receiveFrom} makes. */
export class FanIn<Out> implements AsyncDisposable {
  readonly #options: FanInOptions<Out>
  readonly #supplies = new Map<RingReader<Out>, Supply<Out>>()
  /** Those that have something, in the order of their turns. */
  readonly #ready = new Fifo<Supply<Out>>()
  readonly #waiting = new Set<() => void>()
  readonly #closing = new AbortController()

  /** Use {@link receiveFrom}. */
  constructor(options: FanInOptions<Out>) {
    this.#options = options
  }

  /** The readers that it receives from. */
  get readers(): readonly RingReader<Out>[] {
    return [...this.#supplies.keys()]
  }

  /**
   * Receives from one more ring.
   * @throws {TypeError} it is not a `RingReader`, or is in already
   * @throws {RingError} `RING_CLOSED`
   */
  add(reader: RingReader<Out>): void {
    this.#checkOpen()
    if (!(reader instanceof RingReader)) throw new TypeError('expected a RingReader')
    if (this.#supplies.has(reader)) {
      throw new TypeError(`the ring on ${reader.consumer.device.name} is in already`)
    }
    const supply = new Supply(reader, () => this.#arrived(supply))
    this.#supplies.set(reader, supply)
  }

  /**
   * Receives no more from a ring; one that is not in is no error. When it resolves, its reader delivers what was not received here.
   * Entries that were received stay to be acknowledged.
   */
  async remove(reader: RingReader<Out>): Promise<void> {
    const supply = this.#supplies.get(reader)
    await supply?.end()
    if (supply !== undefined && this.#supplies.get(reader) === supply) this.#supplies.delete(reader)
  }

  /**
   * The next entry, as soon as any ring has one; without rings it waits for one to be added.
   * @throws as `RingReader.receive`, unless there is an `onFailed`; the next call goes on with the other rings
   * @throws {RingError} `RING_CLOSED` when this was closed
   * @throws the signal's reason
   */
  async receive({ signal }: WaitingOptions = {}): Promise<Received<Out>> {
    for (;;) {
      signal?.throwIfAborted()
      this.#checkOpen()
      const received = this.#take()
      if (received !== undefined) return received
      await this.#arrival(signal)
    }
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<Received<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * One entry after the other, waiting for more; acknowledges nothing by itself. Ends, without an error, when the signal is aborted or
   * this is closed.
   * @throws as `receive`
   */
  async *entries(options: WaitingOptions = {}): AsyncGenerator<Received<Out>, void, undefined> {
    const stopped = (): boolean => options.signal?.aborted === true || this.#closing.signal.aborted
    while (!stopped()) {
      let received: Received<Out>
      try {
        received = await this.receive(options)
      } catch (error) {
        if (stopped()) return
        throw error
      }
      yield received
    }
  }

  /** Ends it and leaves the readers open: they deliver what was not received here. Never fails; can be called again. */
  async close(): Promise<void> {
    this.#closing.abort(new RingError('RING_CLOSED', 'The fan-in was closed', { device: 'fan-in' }))
    await Promise.all(this.readers.map((reader) => this.remove(reader)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkOpen(): void {
    this.#closing.signal.throwIfAborted()
  }

  #arrived(supply: Supply<Out>): void {
    this.#ready.push(supply)
    for (const wake of this.#waiting) wake()
  }

  async #arrival(signal: AbortSignal | undefined): Promise<void> {
    let wake = (): void => undefined
    const arrived = new Promise<void>((resolve) => {
      wake = resolve
    })
    this.#waiting.add(wake)
    try {
      await untilAborted(arrived, signal, this.#closing.signal)
    } finally {
      this.#waiting.delete(wake)
    }
  }

  /** The next entry of the ring whose turn it is. */
  #take(): Received<Out> | undefined {
    for (let supply = this.#ready.shift(); supply !== undefined; supply = this.#ready.shift()) {
      if (!supply.isReady) continue
      const { reader } = supply
      try {
        return { entry: supply.take(), reader }
      } catch (error) {
        if (supply.hasEnded) this.#supplies.delete(reader)
        // Who closes a reader knows it.
        if (isRingError(error) && error.code === 'RING_CLOSED') continue
        if (this.#options.onFailed === undefined) throw error
        this.#options.onFailed(error, reader)
      } finally {
        if (supply.isReady) this.#ready.push(supply)
      }
    }
    return undefined
  }
}
