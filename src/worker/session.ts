import type { Host } from './host.ts'
import {
  type Answer,
  type EntryMessage,
  errorMessage,
  MAX_PENDING,
  type Received,
  type Request,
  type RingPort,
  requestOf,
  workerLost,
} from './protocol.ts'
import type { Delivery, Supply, WholeDelivery } from './supply.ts'

type ReceiveRequest = Extract<Request, { readonly call: 'receive' }>

/** An entry that its page has, and where it goes back to. */
interface Delivered {
  readonly delivery: Delivery
  readonly supply: Supply
}

/**
 * One page's calls, in the worker. When it ends, whatever ends it, what waits is stopped, and what the page did not acknowledge goes
 * to another page.
 */
export class Session {
  readonly #port: RingPort
  readonly #host: Host
  readonly #maxUnacked: number
  readonly #onEnd: () => void
  /** What stops each call under way. */
  readonly #stops = new Map<number, AbortController>()
  readonly #answering = new Set<Promise<void>>()
  /** What the page has and has not acknowledged. */
  readonly #delivered = new Map<number, Delivered>()
  readonly #ending = new AbortController()
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

  /** Says something that is no answer to a call. */
  say(answer: Answer): void {
    this.#port.postMessage(answer, [])
  }

  /** Ends it because of what the page said. */
  refuse(found: string): void {
    if (this.ending.aborted) return
    const why = workerLost('The worker ended the connection', found)
    this.say({ gone: errorMessage(why) })
    this.end()
  }

  /** Ends it. */
  end(): void {
    if (this.ending.aborted) return
    this.#ending.abort()
    this.#port.onmessage = null
    this.#port.close()
    this.#stopCalls()
    const delivered = [...this.#delivered.values()]
    this.#delivered.clear()
    for (const supply of new Set(delivered.map((each) => each.supply))) {
      const own = delivered.filter((each) => each.supply === supply)
      supply.takeBack(own.map(({ delivery }) => delivery))
    }
    this.#onEnd()
  }

  #hear(data: unknown): void {
    const request = requestOf(data)
    if (request === undefined) this.refuse('a message that is no call')
    else if (request.call === 'stop') this.#stops.get(request.id)?.abort()
    else if (this.#stops.has(request.id)) this.refuse(`two calls of the number ${request.id}`)
    else if (this.#stops.size >= MAX_PENDING) this.refuse(`more than ${MAX_PENDING} calls at once`)
    else {
      const answering = this.#answer(request)
      this.#answering.add(answering)
      void answering.finally(() => this.#answering.delete(answering))
    }
  }

  /** Makes a call, and says what came of it. Never fails. */
  async #answer(request: Request): Promise<void> {
    const { id, call } = request
    const stop = new AbortController()
    this.#stops.set(id, stop)
    const transfer: ArrayBufferLike[] = []
    let answer: Answer
    try {
      answer = { id, value: await this.#do(request, stop.signal, transfer) }
    } catch (error) {
      const { signal } = stop
      const isStopped = signal.aborted && error === signal.reason
      answer = isStopped ? { id, stopped: true } : { id, error: errorMessage(error) }
    }
    this.#stops.delete(id)
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
        const deliveries = await supply.take({ room, maxBytes }, signal)
        if (this.ending.aborted) {
          supply.takeBack(deliveries)
          throw signal.reason
        }
        const entries = deliveries.map((delivery) => this.#deliver(delivery, supply, transfer))
        return { format: supply.reader.consumer.format, entries }
      })
    } finally {
      this.#isReceiving = false
    }
  }

  #deliver(delivery: WholeDelivery, supply: Supply, transfer: ArrayBufferLike[]): EntryMessage {
    const { position, pushedAt, missed = 0 } = delivery.entry
    const entry = this.#entries++
    this.#delivered.set(entry, { delivery, supply })
    const { bytes: own } = delivery
    // Memory that holds only the item is handed over; an empty item may share its own with others.
    const isAlone = own.length > 0 && own.length === own.buffer.byteLength
    const bytes = isAlone ? own : new Uint8Array(own)
    transfer.push(bytes.buffer)
    Object.assign(delivery, { bytes: undefined })
    return { entry, bytes, position, pushedAt, missed }
  }

  async #acknowledge(entry: number): Promise<void> {
    const delivered = this.#delivered.get(entry)
    if (delivered === undefined) throw new RangeError(`the page has no entry ${entry}`)
    const { delivery, supply } = delivered
    this.#delivered.delete(entry)
    try {
      await delivery.entry.ack()
    } catch (error) {
      if (this.ending.aborted) supply.takeBack([delivery])
      else this.#delivered.set(entry, delivered)
      throw error
    }
    supply.serve()
  }

  /** Stops what waits. When it resolves, every other call has its answer. */
  async #close(signal: AbortSignal): Promise<void> {
    const others = [...this.#answering]
    this.#stopCalls(signal)
    await Promise.all(others)
  }

  #stopCalls(except?: AbortSignal): void {
    for (const stop of this.#stops.values()) if (stop.signal !== except) stop.abort()
  }
}
