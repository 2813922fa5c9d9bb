import { RingError } from '../errors.ts'
import type { Host } from './host.ts'
import {
  type EntryMessage,
  errorMessage,
  MAX_CALLS,
  type Received,
  type Request,
  type RingPort,
  requestOf,
  type WorkerMessage,
  workerLost,
} from './protocol.ts'
import type { Delivery, Supply, WholeDelivery } from './supply.ts'

/** The reason for ending a call for which its page no longer waits. */
const STOPPED = Symbol('stopped')

type ReceiveRequest = Extract<Request, { readonly call: 'receive' }>

/**
 * The calls of one page, in the worker. When it ends, for whatever reason, its pending calls are stopped, and entries
 * that the page did not acknowledge go to another page.
 */
export class Session {
  readonly #port: RingPort
  readonly #host: Host
  readonly #maxUnacked: number
  readonly #onEnd: () => void
  /** Stops each call in progress. */
  readonly #stopControllers = new Map<number, AbortController>()
  readonly #answering = new Set<Promise<void>>()
  /** The entries that the page has and has not acknowledged, all from `#supply`. */
  readonly #delivered = new Map<number, Delivery>()
  readonly #ending = new AbortController()
  #supply: Supply | undefined
  #entries = 0
  #isReceiving = false

  /** @param onEnd called once, when it has ended */
  constructor(port: RingPort, host: Host, maxUnacked: number, onEnd: () => void) {
    this.#port = port
    this.#host = host
    this.#maxUnacked = maxUnacked
    this.#onEnd = onEnd
    port.onmessage = ({ data }) => this.#hear(data)
    port.addEventListener?.('close', () => this.end())
    port.addEventListener?.('messageerror', () => this.refuse('a message that cannot be read'))
  }

  /** Aborted when it ends. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Sends a message that is not an answer to a call. */
  send(message: WorkerMessage): void {
    this.#port.postMessage(message, [])
  }

  /** Ends the session because of an invalid message from the page. */
  refuse(found: string): void {
    if (this.ending.aborted) return
    const error = workerLost('The worker ended the connection', found)
    this.send({ gone: errorMessage(error) })
    this.end()
  }

  /**
   * Ends the session with an error, which rejects waiting calls, once pushes and acknowledgements in progress are
   * answered.
   */
  async close(error: RingError): Promise<void> {
    this.#port.onmessage = null
    this.#stopCalls(error)
    await Promise.all(this.#answering)
    if (this.ending.aborted) return
    this.send({ gone: errorMessage(error) })
    this.end()
  }

  /** Ends the session. */
  end(): void {
    if (this.ending.aborted) return
    this.#ending.abort()
    this.#port.onmessage = null
    this.#port.close()
    this.#stopCalls(STOPPED)
    this.#supply?.takeBack([...this.#delivered.values()])
    this.#delivered.clear()
    this.#onEnd()
  }

  #hear(data: unknown): void {
    const request = requestOf(data)
    if (request === undefined) this.refuse('a message that is no call')
    else if (request.call === 'stop') this.#stopControllers.get(request.id)?.abort(STOPPED)
    else if (this.#stopControllers.has(request.id))
      this.refuse(`two calls of the number ${request.id}`)
    else if (this.#stopControllers.size >= MAX_CALLS)
      this.refuse(`more than ${MAX_CALLS} calls at once`)
    else {
      const answering = this.#answer(request)
      this.#answering.add(answering)
      void answering.finally(() => this.#answering.delete(answering))
    }
  }

  /** Performs a call, and sends its answer. Never fails. */
  async #answer(request: Request): Promise<void> {
    const { id, call } = request
    const stop = new AbortController()
    this.#stopControllers.set(id, stop)
    const transfer: ArrayBufferLike[] = []
    let answer: WorkerMessage
    try {
      answer = { id, value: await this.#do(request, stop.signal, transfer) }
    } catch (error) {
      answer = error === STOPPED ? { id, stopped: true } : { id, error: errorMessage(error) }
    }
    this.#stopControllers.delete(id)
    if (this.ending.aborted) return
    this.#port.postMessage(answer, transfer)
    if (call === 'close') this.end()
  }

  #do(request: Request, signal: AbortSignal, transfer: ArrayBufferLike[]): Promise<unknown> {
    switch (request.call) {
      case 'open':
        return this.#host.open()
      case 'push':
        return this.#host.push(request.items, signal)
      case 'receive':
        return this.#receive(request, signal, transfer)
      case 'ack':
        return this.#acknowledge(request.entry)
      case 'seek':
        return this.#host.withSupply(signal, (supply) => supply.seek(request.position))
      case 'stats':
        return this.#host.stats(signal)
      case 'close':
        return this.#close(signal)
      case 'stop':
        return Promise.resolve()
    }
  }

  async #receive(
    { maxItems, maxBytes }: ReceiveRequest,
    signal: AbortSignal,
    transfer: ArrayBufferLike[],
  ): Promise<Received> {
    if (this.#isReceiving) throw new RangeError('a page receives once at a time')
    this.#isReceiving = true
    const room = (): number => Math.min(maxItems, this.#maxUnacked - this.#delivered.size)
    try {
      return await this.#host.withSupply(signal, async (supply) => {
        this.#takeFrom(supply)
        const deliveries = await supply.take({ room, maxBytes }, signal)
        if (this.ending.aborted) {
          supply.takeBack(deliveries)
          throw signal.reason
        }
        const entries = deliveries.map((delivery) => this.#deliver(delivery, transfer))
        return { format: supply.reader.consumer.format, entries }
      })
    } finally {
      this.#isReceiving = false
    }
  }

  /**
   * Entries of a reader that has ended are delivered again by this one, so the page's earlier entries no longer count.
   */
  #takeFrom(supply: Supply): void {
    if (this.#supply === supply) return
    this.#supply = supply
    this.#delivered.clear()
  }

  #deliver(delivery: WholeDelivery, transfer: ArrayBufferLike[]): EntryMessage {
    const { position, pushedAt, missed = 0 } = delivery.entry
    const entry = this.#entries++
    this.#delivered.set(entry, delivery)
    const { bytes: own } = delivery
    // Memory that holds only the item is transferred. An empty item may share its memory with others.
    const isAlone = own.length > 0 && own.length === own.buffer.byteLength
    const bytes = isAlone ? own : new Uint8Array(own)
    transfer.push(bytes.buffer)
    Object.assign(delivery, { bytes: undefined })
    return { entry, bytes, position, pushedAt, missed }
  }

  async #acknowledge(entry: number): Promise<void> {
    const delivery = this.#delivered.get(entry)
    const supply = this.#supply
    if (delivery === undefined || supply === undefined) {
      if (entry >= this.#entries) throw new RangeError(`the page has no entry ${entry}`)
      const message = `The reader of entry ${entry} has ended; it is delivered again`
      throw new RingError('RING_CLOSED', message, {})
    }
    this.#delivered.delete(entry)
    try {
      await delivery.entry.ack()
    } catch (error) {
      if (this.ending.aborted) supply.takeBack([delivery])
      else if (this.#supply === supply) this.#delivered.set(entry, delivery)
      await this.#host.failed(supply, error)
      throw error
    }
    supply.serve()
  }

  /** Stops the pending calls. When it resolves, all other calls are answered. */
  async #close(signal: AbortSignal): Promise<void> {
    const others = [...this.#answering]
    this.#stopCalls(STOPPED, signal)
    await Promise.all(others)
  }

  #stopCalls(reason: unknown, except?: AbortSignal): void {
    for (const stop of this.#stopControllers.values())
      if (stop.signal !== except) stop.abort(reason)
  }
}
