import { RingError } from '../errors.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import type { Handler, ProcessOptions, ProcessSummary } from '../ring/queue/process/types.ts'
import { internalsOf, type RingReader, reserve } from '../ring/queue/reader.ts'
import type { ReceiveOptions } from '../ring/queue/reader-options.ts'
import type { Reserved } from '../ring/queue/reservation.ts'
import { BOUND_KINDS, popBounds } from '../ring/shared/single-item.ts'
import { Fifo } from '../tasks/fifo.ts'
import { onAbort, untilAborted } from '../util/abort.ts'
import { eachUntil } from '../util/each-until.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'
import { checkList, checkReader } from './arguments.ts'
import { FanProcessor } from './fan-processor.ts'
import { ReadyEntries } from './ready-entries.ts'

/** Options of {@link FanIn}. */
export interface FanInOptions<Out> {
  /**
   * Called when a ring fails, with what its reader threw: the others continue. After a `CodecError` the ring continues
   * after that item too; after any other error it is taken out, and `add` puts it back. A reader that was closed has
   * failed with `RING_CLOSED`: `remove` it before you close it. Default: `receive` throws it.
   */
  readonly onFailed?: (error: unknown, reader: RingReader<Out>) => void
}

/** An entry, and the reader of its ring. */
export interface Received<Out> {
  /** As the reader delivered it; acknowledge it as usual. */
  readonly entry: RingEntry<Out>
  /** The reader that delivered it. */
  readonly reader: RingReader<Out>
}

const KINDS: OptionKinds<FanInOptions<never>> = { onFailed: 'function' }
const ONE: ReceiveOptions = { maxItems: 1 }

/** Closes a fan-in; its calls reject with this. */
let endFanIn: <Out>(fan: FanIn<Out>, reason: RingError) => Promise<void>

export { endFanIn }

/**
 * Receives from many rings in one loop. The readers belong to the caller: closing the {@link FanIn} leaves them open.
 * @throws {TypeError} an option is unknown; something is not a `RingReader`, or the same one twice; another `FanIn` has
 *   it, it is processing, or a call of its own receives
 * @throws {RingError} `RING_CLOSED`: a reader was closed
 */
export function receiveFrom<Out>(
  readers: Iterable<RingReader<Out>>,
  options: FanInOptions<Out> = {},
): FanIn<Out> {
  return new FanIn<Out>(readers, options)
}

/**
 * One loop over many rings: the rings take turns, entry by entry, and each ring's order is kept. Rings are added and
 * removed while it runs. The readers belong to the caller: `close` leaves them open. While they are here, their own
 * calls that receive or move their position are refused with a `TypeError`; entries are acknowledged as usual.
 *
 * - A ring with something to take is in `#ready` once; after its turn it goes to the end of that queue, so none waits
 *   for another's backlog.
 * - Entries that a ring had read ahead and not handed out go back to its reader when the ring is removed, or when
 *   `process` takes over.
 */
export class FanIn<Out> implements AsyncDisposable {
  readonly #options: FanInOptions<Out>
  /** The readers, reserved. */
  readonly #members = new Map<RingReader<Out>, Reserved<Out>>()
  /** Removed readers, still being released. */
  readonly #leaving = new Map<RingReader<Out>, Promise<void>>()
  /** The entries that each ring has read ahead, from the first `receive` on. */
  readonly #readyOf = new Map<RingReader<Out>, ReadyEntries<Out>>()
  /** Rings with something to take, in the order of their turns. */
  readonly #ready = new Fifo<ReadyEntries<Out>>()
  readonly #waiting = new Set<() => void>()
  readonly #closing = new AbortController()
  /** Set while `process` runs, which replaces receiving. */
  #processor: FanProcessor<Out> | undefined
  #receives = false

  static {
    endFanIn = (fan, reason) => fan.#end(reason)
  }

  /** @internal */
  constructor(readers: Iterable<RingReader<Out>>, options: FanInOptions<Out> = {}) {
    checkOptions('receiveFrom', options, KINDS)
    checkList('receiveFrom', 'RingReaders', readers)
    this.#options = options
    try {
      for (const reader of readers) this.add(reader)
    } catch (error) {
      for (const reserved of this.#members.values()) reserved.release()
      throw error
    }
  }

  /** The readers that it receives from. */
  get readers(): readonly RingReader<Out>[] {
    return [...this.#members.keys()]
  }

  /**
   * Receives from one more ring.
   * @throws {TypeError} it is not a `RingReader`, or is in already, or its `remove` has not resolved; another `FanIn`
   *   has it, it is processing, or a call of its own receives
   * @throws {RingError} `RING_CLOSED`: the reader was closed, or this was
   */
  add(reader: RingReader<Out>): void {
    this.#checkOpen()
    checkReader('receiveFrom', reader)
    if (this.#members.has(reader)) {
      throw new TypeError(`the ring on ${reader.consumer.device.name} is in already`)
    }
    if (this.#leaving.has(reader)) {
      throw new TypeError(`the ring on ${reader.consumer.device.name} is still being removed`)
    }
    if (internalsOf(reader).closing.aborted) {
      const { name } = reader.consumer.device
      throw new RingError(
        'RING_CLOSED',
        `The reader of ${name} was closed: open it again, and add it`,
        { device: name },
      )
    }
    const reserved = reserve(reader, 'a FanIn')
    this.#members.set(reader, reserved)
    if (this.#processor !== undefined) this.#processor.add(reader, reserved, this.#members.size)
    else if (this.#receives) this.#readAhead(reader, reserved)
  }

  /**
   * Stops receiving from a ring; removing one that is not there is no error. Once it resolves, the reader delivers the
   * entries that were not received here. Received entries can still be acknowledged. While `process` runs, it resolves
   * when the handlers of that ring have ended, or its `graceMs` is over, and the finished items are acknowledged.
   */
  async remove(reader: RingReader<Out>): Promise<void> {
    const reserved = this.#members.get(reader)
    if (reserved !== undefined) {
      this.#members.delete(reader)
      const left = this.#leave(reader).finally(() => {
        reserved.release()
        this.#leaving.delete(reader)
      })
      this.#leaving.set(reader, left)
    }
    await this.#leaving.get(reader)
  }

  /**
   * The next entry, as soon as any ring has one; without rings it waits for one to be added.
   * @throws as `RingReader.receive`, unless there is an `onFailed`; the next call continues with the other rings
   * @throws {RingError} `RING_CLOSED` when this was closed
   * @throws {TypeError} `process` is under way, or begins
   * @throws the signal's reason
   */
  async receive(options: WaitingOptions = {}): Promise<Received<Out>> {
    const signal = signalOf('FanIn.receive', options)
    for (;;) {
      signal?.throwIfAborted()
      this.#checkOpen()
      this.#startReceiving()
      const received = this.#take()
      if (received !== undefined) return received
      await this.#arrival(signal)
    }
  }

  /**
   * The next entries of all rings, at least one: what is read ahead by then. The rings take turns, entry by entry. Up
   * to 1,000 entries or 1 MiB by default.
   * @throws as `receive`; entries before an error are answered first
   */
  async receiveMany(options: ReceiveOptions = {}): Promise<readonly Received<Out>[]> {
    const bounds = popBounds(options, 'FanIn.receiveMany', BOUND_KINDS)
    const { signal } = options
    for (;;) {
      signal?.throwIfAborted()
      this.#checkOpen()
      this.#startReceiving()
      const received = this.#takeMany(bounds)
      if (received.length > 0) return received
      await this.#arrival(signal)
    }
  }

  /**
   * The next entry, if any ring has one now.
   * @throws as `receive`
   */
  async tryReceive(): Promise<Received<Out> | undefined> {
    const [received] = await this.tryReceiveMany(ONE)
    return received
  }

  /**
   * The next entries, if there are some now; else none. If nothing is read ahead, it looks at each ring once.
   * @throws as `receiveMany`
   */
  async tryReceiveMany(options: ReceiveOptions = {}): Promise<readonly Received<Out>[]> {
    const bounds = popBounds(options, 'FanIn.tryReceiveMany', BOUND_KINDS)
    const { signal } = options
    signal?.throwIfAborted()
    this.#checkOpen()
    this.#startReceiving()
    const received = this.#takeMany(bounds)
    if (received.length > 0) return received
    // A ring with something ends it: the others may be slow.
    await this.#arrival(signal, Promise.all([...this.#readyOf.values()].map((each) => each.look())))
    this.#checkOpen()
    this.#startReceiving()
    return this.#takeMany(bounds)
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<Received<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * One entry after the other, waiting for more; acknowledges nothing by itself. Ends, without an error, when the
   * signal is aborted or this is closed.
   * @throws as `receive`
   */
  entries(options: WaitingOptions = {}): AsyncGenerator<Received<Out>, void, undefined> {
    return eachUntil(
      () => options.signal?.aborted === true || this.#closing.signal.aborted,
      () => this.receive(options),
    )
  }

  /**
   * Calls a handler for the items of all rings, as `RingReader.process` does for those of one, with the same options
   * except `requeueTo`. `concurrency` applies to all rings together, which take turns; `maxHeldBytes` is divided among
   * them; `keyOf` keeps the order within a ring: the same key in another ring is another key. If the call for a ring
   * fails, all stop and this rejects; with an `onFailed`, that is called, the ring is removed, and the others continue.
   * Rings can be added and removed meanwhile; do not receive.
   * @throws {TypeError | RangeError} an option is out of range, or another call is under way; there is a `requeueTo`
   * @throws as `RingReader.process`
   * @throws {RingError} `RING_CLOSED` when this was closed
   */
  async process(handler: Handler<Out>, options: ProcessOptions<Out> = {}): Promise<ProcessSummary> {
    this.#checkOpen()
    if (this.#processor !== undefined) throw new TypeError('this fan-in is processing already')
    const processor = new FanProcessor(handler, options, (error, reader) =>
      this.#processorFailed(error, reader),
    )
    this.#processor = processor
    // Pending receives wake up and reject.
    this.#wakeAll()
    const listening = onAbort(this.#closing.signal, () =>
      processor.fail(this.#closing.signal.reason),
    )
    try {
      this.#receives = false
      const before = this.readers
      await Promise.all(before.map((reader) => this.#giveBack(reader)))
      // Some were removed meanwhile. Those that were added have already begun, even if they were removed before.
      for (const reader of before) {
        const reserved = this.#members.get(reader)
        if (reserved !== undefined && !processor.has(reader))
          processor.add(reader, reserved, this.#members.size)
      }
      return await processor.run()
    } finally {
      listening()
      this.#processor = undefined
    }
  }

  /**
   * Ends it and leaves the readers open: they deliver the entries that were not received here. Never fails; can be
   * called again.
   */
  async close(): Promise<void> {
    await this.#end(new RingError('RING_CLOSED', 'The fan-in was closed', {}))
  }

  async #end(reason: RingError): Promise<void> {
    this.#closing.abort(reason)
    const all = [...this.#members.keys(), ...this.#leaving.keys()]
    await Promise.all(all.map((reader) => this.remove(reader)))
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkOpen(): void {
    this.#closing.signal.throwIfAborted()
  }

  #startReceiving(): void {
    if (this.#processor !== undefined) throw new TypeError('this fan-in is processing')
    if (this.#receives) return
    this.#receives = true
    for (const [reader, reserved] of this.#members) this.#readAhead(reader, reserved)
  }

  #readAhead(reader: RingReader<Out>, reserved: Reserved<Out>): void {
    const ready = new ReadyEntries(reader, reserved, () => this.#arrived(ready))
    this.#readyOf.set(reader, ready)
  }

  async #leave(reader: RingReader<Out>): Promise<void> {
    await this.#processor?.remove(reader)
    await this.#giveBack(reader)
  }

  async #giveBack(reader: RingReader<Out>): Promise<void> {
    await this.#readyOf.get(reader)?.end()
    this.#readyOf.delete(reader)
  }

  #processorFailed(error: unknown, reader: RingReader<Out>): void {
    // A program that removes a reader may close it at once.
    if (this.#leaving.has(reader) && internalsOf(reader).closing.aborted) return
    this.#drop(reader)
    if (this.#options.onFailed === undefined) this.#processor?.fail(error)
    else this.#options.onFailed(error, reader)
  }

  /** Releases a failed reader to the program. */
  #drop(reader: RingReader<Out>): void {
    this.#members.get(reader)?.release()
    this.#members.delete(reader)
  }

  #arrived(ready: ReadyEntries<Out>): void {
    this.#ready.push(ready)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake()
  }

  /** Resolves once any ring has something, or with `looked`. */
  async #arrival(signal: AbortSignal | undefined, looked?: Promise<unknown>): Promise<void> {
    let wake = (): void => undefined
    const arrived = new Promise<void>((resolve) => {
      wake = resolve
    })
    looked?.then(wake, wake)
    this.#waiting.add(wake)
    try {
      await untilAborted(arrived, signal, this.#closing.signal)
    } finally {
      this.#waiting.delete(wake)
    }
  }

  /** The next entry of the ring whose turn it is. */
  #take(): Received<Out> | undefined {
    for (let ready = this.#nextReady(); ready !== undefined; ready = this.#nextReady()) {
      const received = this.#takeFrom(ready)
      if (received !== undefined) return received
    }
    return undefined
  }

  /** The next entries, turn by turn. */
  #takeMany({ maxItems, maxBytes }: Required<Omit<ReceiveOptions, 'signal'>>): Received<Out>[] {
    const taken: Received<Out>[] = []
    let bytes = 0
    while (taken.length < maxItems && bytes < maxBytes) {
      const ready = this.#nextReady()
      if (ready === undefined) break
      if (taken.length > 0 && ready.failsNext) {
        // The next call has the error.
        this.#ready.unshift([ready])
        break
      }
      const received = this.#takeFrom(ready)
      if (received === undefined) continue
      taken.push(received)
      bytes += received.entry.storedBytes
    }
    return taken
  }

  /** The ring whose turn it is. */
  #nextReady(): ReadyEntries<Out> | undefined {
    let ready = this.#ready.shift()
    while (ready !== undefined && !ready.isReady) ready = this.#ready.shift()
    return ready
  }

  /** The next entry of a ring; undefined if it failed, and that was reported. */
  #takeFrom(ready: ReadyEntries<Out>): Received<Out> | undefined {
    const { reader } = ready
    try {
      return { entry: ready.take(), reader }
    } catch (error) {
      if (ready.hasEnded) {
        this.#readyOf.delete(reader)
        this.#drop(reader)
      }
      if (this.#options.onFailed === undefined) throw error
      this.#options.onFailed(error, reader)
      return undefined
    } finally {
      if (ready.isReady) this.#ready.push(ready)
    }
  }
}
