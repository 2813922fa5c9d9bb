import { bytes } from '../codec/bytes.ts'
import { type Codec, checkItems, decodeItem, encodeItems } from '../codec/codec.ts'
import { isCodecError, RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import { checkQueueLimits, QUEUE_KINDS } from '../ring/queue/queue-limits.ts'
import type { ReceiveOptions } from '../ring/queue/reader-options.ts'
import { totalBytes } from '../ring/shared/item-limits.ts'
import type { OwnItems } from '../ring/shared/own-items.ts'
import { itemNumber } from '../ring/shared/position-text.ts'
import { BOUND_KINDS, popBounds } from '../ring/shared/single-item.ts'
import { onAbort, untilAborted } from '../util/abort.ts'
import { eachUntil } from '../util/each-until.ts'
import { checkOptions, type OptionKinds, shown } from '../util/options.ts'
import { Serial } from '../util/serial.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'
import { holdNew, locksHere, onceFree, type WorkerLocks } from './locks.ts'
import {
  errorOf,
  helloMessage,
  MAX_CALLS,
  MAX_PENDING,
  positionOf,
  type Received,
  type Request,
  type RingConnectionStatus,
  type RingPort,
  receivedOf,
  statsOf,
  VERSION,
  workerLost,
  workerMessageOf,
} from './protocol.ts'

const MAX_QUEUED_ITEMS = 8192
const MAX_QUEUED_BYTES = 16 << 20
/** Defaults of `receiveMany`. */
const MAX_ITEMS = 256
const MAX_BYTES = 1 << 20
const MAX_WORKERS = 2
const GONE = 'The worker has ended'
const NO_ANSWER = 'The worker sent something other than an answer'

/** The object to connect to: a `Worker`, or a port whose other end a worker serves. */
export interface ConnectTarget {
  /** Typed so that every runtime's own type fits. */
  postMessage(message: unknown, transfer: never[]): void
  /** Of a `Worker`: reports that its script failed. */
  addEventListener?(type: 'error', listener: (event: object) => void): void
  /** Ends that subscription. */
  removeEventListener?(type: 'error', listener: (event: object) => void): void
}

/** Options of a page's connection. */
export interface RingConnectionOptions<Out = Uint8Array, In = Out> extends WaitingOptions {
  /** Encodes and decodes items in the page. Default: items are bytes. */
  readonly codec?: Codec<Out, In>
  /** Refuse pushes while this many items have no answer. Default 8,192, at most 65,536. */
  readonly maxQueuedItems?: number
  /** Refuse pushes while this many bytes have no answer. Default 16 MiB. */
  readonly maxQueuedBytes?: number
  /** Lets either side detect the end of the other. Default: `navigator.locks`. */
  readonly locks?: WorkerLocks
}

const KINDS: OptionKinds<RingConnectionOptions> = {
  codec: 'object',
  ...QUEUE_KINDS,
  locks: 'object',
  signal: 'signal',
}

/** A call that has no answer yet. */
interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** The reason why its caller stopped waiting. */
  readonly reason: () => unknown
}

type Call = Request extends infer Each ? (Each extends Request ? Omit<Each, 'id'> : never) : never

/**
 * A page's connection to a ring that a worker serves: a `RingWriter` and a `RingReader` in one.
 *
 * Every call rejects with `RING_WORKER_LOST` once the worker has ended; calls without an answer may have been
 * performed. Entries received and not acknowledged by then are delivered again, by the next reader of the ring.
 *
 * @example
 * ```ts
 * import { json } from 'shared-block-ring/codec'
 * import { RingConnection, type ConnectTarget } from 'shared-block-ring/worker'
 *
 * async function send(worker: ConnectTarget, order: { id: number }): Promise<void> {
 *   await using ring = await RingConnection.open(worker, { codec: json<{ id: number }>() })
 *   await ring.push(order) // It is durable in the worker's ring.
 *   const { waitingItems } = await ring.status()
 *   console.log(waitingItems)
 * }
 * ```
 */
export class RingConnection<Out = Uint8Array, In = Out> implements AsyncDisposable {
  readonly #port: RingPort
  readonly #codec: Codec<Out, In>
  readonly #maxItems: number
  readonly #maxBytes: number
  readonly #release: () => void
  readonly #pending = new Map<number, Pending>()
  readonly #pushing = new Serial()
  readonly #receiving = new Serial()
  readonly #ending = new AbortController()
  readonly #locks: WorkerLocks | undefined
  /**
   * The number of workers whose end ends the connection: the page's own, and another tab's worker if that has the ring.
   */
  #workers = 0
  /** Entries of an earlier answer. */
  #undelivered: Received | undefined
  #calls = 0
  #queuedItems = 0
  #queuedBytes = 0
  #ended: Error | undefined
  #closing: Promise<void> | undefined

  private constructor(
    port: RingPort,
    options: RingConnectionOptions<Out, In>,
    locks: WorkerLocks | undefined,
    release: () => void,
  ) {
    const { maxQueuedItems = MAX_QUEUED_ITEMS, maxQueuedBytes = MAX_QUEUED_BYTES } = options
    this.#port = port
    this.#locks = locks
    this.#codec = options.codec ?? (bytes as unknown as Codec<Out, In>)
    this.#maxItems = maxQueuedItems
    this.#maxBytes = maxQueuedBytes
    this.#release = release
    port.onmessage = ({ data }) => this.#hear(data)
    port.addEventListener?.('close', () => this.#end(workerLost(GONE)))
    port.addEventListener?.('messageerror', () => {
      this.#end(workerLost(NO_ANSWER, 'a message that cannot be read'))
    })
  }

  /**
   * Connects a page to a ring that its worker serves. Resolves once the worker's device is open.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {RingError} `RING_WORKER_LOST`: the worker's script failed, or it has ended
   * @throws as the worker's `open`, such as `BLOCK_OPEN`; the signal's reason: without a signal it waits for as long as
   *   the worker is silent
   */
  static open(
    worker: ConnectTarget,
    options?: RingConnectionOptions<Uint8Array> & { readonly codec?: never },
  ): Promise<RingConnection>
  static open<Out, In = Out>(
    worker: ConnectTarget,
    options: RingConnectionOptions<Out, In> & { readonly codec: Codec<Out, In> },
  ): Promise<RingConnection<Out, In>>
  static async open<Out, In = Out>(
    worker: ConnectTarget,
    options: RingConnectionOptions<Out, In> = {},
  ): Promise<RingConnection<Out, In>> {
    checkOptions('RingConnection.open', options, KINDS)
    if (typeof worker?.postMessage !== 'function') {
      throw new TypeError(`RingConnection.open takes a worker or a port, not ${shown(worker)}`)
    }
    checkQueueLimits(options, MAX_PENDING)
    const { signal, locks = locksHere() } = options
    signal?.throwIfAborted()
    const held = await holdNew(locks, 'page')
    const { port1, port2 } = newChannel()
    const ring = new RingConnection(port1, options, locks, () => held?.release())
    const onError = (event: object): void => {
      const reason = 'message' in event ? shown(event.message) : 'it cannot be loaded'
      ring.#end(workerLost(`The worker failed to start: ${reason}`))
    }
    worker.addEventListener?.('error', onError)
    try {
      worker.postMessage(helloMessage({ version: VERSION, port: port2, lock: held?.name }), [
        port2 as never,
      ])
      await untilAborted(ring.#call({ call: 'open' }), signal)
      return ring
    } catch (error) {
      ring.#end(workerLost('The connection was given up'))
      throw error
    } finally {
      worker.removeEventListener?.('error', onError)
    }
  }

  /**
   * Pushes an item as it is at the call. Resolves when it is durable in the worker's ring; waits for room.
   * @returns the position after the item
   * @throws {CodecError} `CODEC_ENCODE`
   * @throws {RingError} `RING_OVERLOADED`: more waits than the options allow; `RING_CLOSED`; `RING_WORKER_LOST`; and as
   *   `RingWriter.push`
   * @throws {BlockError} as `RingWriter.push`, and as the device is opened
   * @throws the signal's reason: then the item was not pushed
   */
  push(item: In, options: WaitingOptions = {}): Promise<Position> {
    return this.pushMany([item], options)
  }

  /**
   * Pushes many items in as few commits as possible, as `RingWriter.pushMany`.
   * @returns the position after the last item
   * @throws as `push`
   */
  async pushMany(items: readonly In[], options: WaitingOptions = {}): Promise<Position> {
    const signal = signalOf('RingConnection.pushMany', options)
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    checkItems(items)
    // Encoded before any wait, because the items count as they are at the call. The copies are transferred to the
    // worker.
    const encoded = encodeItems(this.#codec, items, copyOf)
    if (encoded instanceof Promise) encoded.catch(() => undefined) // It is awaited below, but perhaps only later.
    const { answer } = await this.#pushing.run(async () => {
      // A codec may never finish, so a signal and the end of the connection do not wait for it.
      const own = await untilAborted(encoded, signal, this.#ending.signal)
      return { answer: this.#push(own, signal) }
    }, signal)
    return await answer
  }

  /**
   * The next entry, as soon as there is one.
   * @throws {CodecError} `CODEC_DECODE`, with the item's position, its bytes and an `ack`; the next call continues
   *   after it
   * @throws {RingError} as `push`, and as `RingReader.receive`
   * @throws the signal's reason
   */
  async receive(options: WaitingOptions = {}): Promise<RingEntry<Out>> {
    const signal = signalOf('RingConnection.receive', options)
    const one = signal === undefined ? { maxItems: 1 } : { maxItems: 1, signal }
    const [entry] = await this.receiveMany(one)
    if (entry === undefined) throw new Error('receiveMany returns at least one entry')
    return entry
  }

  /**
   * The next entries, at least one. Waits while the page has as many unacknowledged entries as the worker allows.
   * @throws as `receive`; entries before one that does not decode are returned first
   */
  async receiveMany(options: ReceiveOptions = {}): Promise<readonly RingEntry<Out>[]> {
    popBounds(options, 'RingConnection.receiveMany', BOUND_KINDS)
    const { signal, maxItems = MAX_ITEMS, maxBytes = MAX_BYTES } = options
    return await this.#receiving.run(async () => {
      if (this.#undelivered === undefined) {
        const value = await this.#call({ call: 'receive', maxItems, maxBytes }, signal)
        this.#undelivered = receivedOf(value) ?? this.#endUnanswered()
      }
      return await this.#deliver(this.#undelivered, maxItems, signal)
    }, signal)
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<RingEntry<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * Receives one entry after the other, waiting for more. Acknowledges nothing. Ends, without an error, when the signal
   * is aborted or the connection is closed. After any other error, another loop continues where this one ended.
   * @throws as `receive`
   */
  entries(options: WaitingOptions = {}): AsyncGenerator<RingEntry<Out>, void, undefined> {
    return eachUntil(
      () => options.signal?.aborted === true || this.#closing !== undefined,
      () => this.receive(options),
    )
  }

  /**
   * Continues after the damage at which `receive` stopped, at `parsePosition(details.position)` of its error, as
   * `RingReader.seek`. Skipped damage counts as acknowledged. It only goes forward: if another page has done so before,
   * nothing changes.
   * @throws {TypeError} it is the text of a position
   * @throws {RangeError} no item was read up to there
   * @throws as `receive`
   */
  async seek(position: Position, options: WaitingOptions = {}): Promise<void> {
    const signal = signalOf('RingConnection.seek', options)
    if (positionOf(position) === undefined)
      throw new TypeError('a position is a bigint, as parsePosition returns')
    await this.#call({ call: 'seek', position }, signal)
  }

  /**
   * The fill level of the ring, and the number of unacknowledged items.
   * @throws as `push`
   */
  async status(options: WaitingOptions = {}): Promise<RingConnectionStatus> {
    const signal = signalOf('RingConnection.status', options)
    return statsOf(await this.#call({ call: 'stats' }, signal)) ?? this.#endUnanswered()
  }

  /**
   * Ends the connection. Pushes that have not begun reject with `RING_CLOSED`, and unacknowledged entries are delivered
   * again, to other pages. Never fails; can be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const answer = this.#call({ call: 'close' })
    this.#ended ??= closed()
    // It has ended, or ends with the answer.
    await answer.catch(() => undefined)
    this.#end(closed())
  }

  async #push(items: OwnItems, signal: AbortSignal | undefined): Promise<Position> {
    const bytes = totalBytes(items)
    const [allItems, allBytes] = [this.#queuedItems + items.length, this.#queuedBytes + bytes]
    if (allItems > this.#maxItems || allBytes > this.#maxBytes) {
      const found = `${allItems} items of ${allBytes} bytes`
      const expected = `at most ${this.#maxItems} items of ${this.#maxBytes} bytes`
      const message = `the page's queue of pushes is full: expected ${expected}, found ${found}`
      throw new RingError('RING_OVERLOADED', message, { expected, found })
    }
    this.#queuedItems = allItems
    this.#queuedBytes = allBytes
    try {
      const transfer = items.map((item) => item.buffer)
      const value = await this.#call({ call: 'push', items: [...items] }, signal, transfer)
      return positionOf(value) ?? this.#endUnanswered()
    } finally {
      this.#queuedItems -= items.length
      this.#queuedBytes -= bytes
    }
  }

  /** Decodes entries in order, up to one that does not decode; the rest is for the next call. */
  async #deliver(
    { entries: messages, format }: Received,
    maxItems: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly RingEntry<Out>[]> {
    const delivered: RingEntry<Out>[] = []
    let left = messages
    try {
      for (const message of messages) {
        if (delivered.length === maxItems) break
        const { position, pushedAt, missed, entry } = message
        const ack = this.#acknowledging(entry)
        const stored = message.bytes.length
        try {
          const decoding = decodeItem(this.#codec, copyOf(message.bytes), position, format)
          const item = await untilAborted(decoding, signal, this.#ending.signal)
          const number = itemNumber(position, format)
          const stamp = { position, pushedAt, number, storedBytes: stored }
          delivered.push({ item, ...stamp, ...(missed > 0 && { missed }), ack })
        } catch (error) {
          if (delivered.length > 0) break
          if (isCodecError(error)) {
            error.ack = ack
            left = left.slice(1)
          }
          throw error
        }
        left = left.slice(1)
      }
      return delivered
    } finally {
      this.#undelivered = left.length === 0 ? undefined : { entries: left, format }
    }
  }

  /** Acknowledges an entry; repeats the request if it failed. */
  #acknowledging(entry: number): () => Promise<void> {
    let acknowledged: Promise<void> | undefined
    const acknowledge = async (): Promise<void> => {
      await this.#call({ call: 'ack', entry })
    }
    return () => {
      const acknowledging = acknowledged ?? acknowledge()
      acknowledged = acknowledging
      acknowledging.catch(() => {
        acknowledged = undefined
      })
      return acknowledging
    }
  }

  /**
   * Posts a call, and waits for its answer. An aborted signal has the worker stop waiting, and its answer to that
   * counts.
   */
  async #call(
    call: Call,
    signal?: AbortSignal,
    transfer: readonly ArrayBufferLike[] = [],
  ): Promise<unknown> {
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    // The worker ends a connection with more calls. One is reserved for the call that closes it.
    if (this.#pending.size >= MAX_CALLS - 1 && call.call !== 'close') {
      const [expected, found] = [`at most ${MAX_CALLS - 1} calls`, 'one more']
      const message = `too many calls have no answer: expected ${expected}, found ${found}`
      throw new RingError('RING_OVERLOADED', message, { expected, found })
    }
    const id = this.#calls++
    const reason = (): unknown => {
      if (signal?.aborted === true) return signal.reason
      return this.#ended ?? workerLost(NO_ANSWER, 'that it stopped a call without a request')
    }
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, reason })
    })
    this.#port.postMessage({ ...call, id }, transfer)
    const listening = onAbort(signal, () => this.#port.postMessage({ call: 'stop', id }, []))
    try {
      return await answered
    } finally {
      listening()
    }
  }

  #hear(data: unknown): void {
    const message = workerMessageOf(data)
    if (message === undefined) {
      this.#end(workerLost(NO_ANSWER, `a message of type ${typeof data}`))
    } else if ('welcome' in message) {
      this.#watch(message.lock)
    } else if ('gone' in message) {
      this.#end(errorOf(message.gone))
    } else {
      const pending = this.#pending.get(message.id)
      this.#pending.delete(message.id)
      if ('value' in message) pending?.resolve(message.value)
      else pending?.reject('error' in message ? errorOf(message.error) : pending.reason())
    }
  }

  #watch(lock: string | undefined): void {
    if (this.#locks === undefined || lock === undefined || this.#workers++ >= MAX_WORKERS) return
    onceFree(this.#locks, lock, this.#ending.signal, () => this.#end(workerLost(GONE)))
  }

  #endUnanswered(): never {
    this.#end(workerLost(NO_ANSWER, 'an answer in another form'))
    throw this.#ended
  }

  #end(error: Error): void {
    this.#ended ??= error
    if (this.#ending.signal.aborted) return
    this.#ending.abort(error)
    this.#port.onmessage = null
    this.#port.close()
    this.#release()
    this.#undelivered = undefined
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(error)
  }
}

/** A channel with the types of browsers. */
function newChannel(): { readonly port1: RingPort; readonly port2: RingPort } {
  return new MessageChannel() as unknown as ReturnType<typeof newChannel>
}

function closed(): RingError {
  return new RingError('RING_CLOSED', 'The connection was closed', {})
}

/** A transferable copy: its memory has no other user, and contains only the item. */
function copyOf(item: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(item)
}
