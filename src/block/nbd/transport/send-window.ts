import type { Clock } from '../../../clock.ts'
import { COMMAND } from '../protocol.ts'
import type { Request } from './request.ts'

/** Requests about more bytes are bulk. */
const SMALL_BYTES = 32 << 10

/** The smallest piece of a large transfer, so that each but perhaps the last is bulk. */
const LEAST_PIECE_BYTES = 2 * SMALL_BYTES

/** Pieces of a large transfer that fill the window. */
export const PIECES_IN_WINDOW = 4

const START_BYTES = PIECES_IN_WINDOW * LEAST_PIECE_BYTES
const MOST_BYTES = 16 << 20

/** A transfer that takes this much longer than the quickest one has queued behind others. */
const SLOW_MS = 1000

/** Small requests that may overtake a waiting bulk request. */
const MOST_BEFORE_BULK = 16

/** A request that waits for its turn. */
interface Waiting {
  readonly request: Request
  go(): void
}

/**
 * Decides when a request may be sent over a connection.
 *
 * - The number of requests in flight is limited.
 * - Small requests (a lease's renewal, a refresh of slots) overtake waiting bulk requests, and one of the requests in
 *   flight is reserved for them. After sixteen of them, a waiting bulk request gets its turn.
 * - Data in flight cannot be overtaken, so the bytes of bulk transfers in flight, in either direction, stay within a
 *   window of about what the connection moves in a second; at least one piece of 64 KiB, and at most 16 MiB. The
 *   window grows while replies are quick, and is halved when they are slow. So a small request takes about a second
 *   even on a slow link, and a working link shows a reply now and then, however large the buffers on the way are.
 */
export class SendWindow {
  readonly #clock: Clock
  readonly #slots: number
  readonly #small: Waiting[] = []
  readonly #bulk: Waiting[] = []
  #inFlight = 0
  #bulkInFlight = 0
  #bytesInFlight = 0
  #smallBeforeBulk = 0
  #limit = START_BYTES
  #quickestMs = Number.POSITIVE_INFINITY
  /** The time when the window was last halved. Requests sent before are no evidence about its present size. */
  #halvedAt = Number.NEGATIVE_INFINITY

  constructor(slots: number, clock: Clock) {
    this.#slots = slots
    this.#clock = clock
  }

  /** Requests that have not ended. */
  get load(): number {
    return this.#inFlight + this.#small.length + this.#bulk.length
  }

  /** The size of pieces of a large transfer: a power of two, because storage has blocks. */
  get pieceBytes(): number {
    const share = Math.max(LEAST_PIECE_BYTES, this.#limit / PIECES_IN_WINDOW)
    return 2 ** Math.floor(Math.log2(share))
  }

  /** Waits for the request's turn. Each `enter` is paired with a `leave`. */
  async enter(request: Request): Promise<void> {
    const queue = isBulk(request) ? this.#bulk : this.#small
    if (queue.length === 0 && this.#hasRoom(request)) this.#count(request, 1)
    else await new Promise<void>((go) => queue.push({ request, go }))
  }

  /** The request has ended: lets others be sent. */
  leave(request: Request): void {
    this.#count(request, -1)
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#count(next.request, 1)
      next.go()
    }
  }

  /** Adjusts the window to a request that got its reply, before it leaves. */
  answered(request: Request, sentAt: number): void {
    const bytes = transferBytes(request)
    if (!isBulk(request) || bytes === 0) return
    const now = this.#clock.now()
    this.#quickestMs = Math.min(this.#quickestMs, now - sentAt)
    const slowMs = now - sentAt - this.#quickestMs
    if (slowMs > SLOW_MS && sentAt >= this.#halvedAt) {
      this.#limit /= 2
      this.#halvedAt = now
    }
    // Only a window that was in use is evidence of what the connection can take.
    const isInUse = 2 * this.#bytesInFlight >= this.#limit
    if (slowMs < SLOW_MS / 2 && isInUse) this.#limit = Math.min(MOST_BYTES, this.#limit + bytes)
  }

  /** Resets the measurements for a new connection. */
  reset(): void {
    this.#limit = START_BYTES
    this.#quickestMs = Number.POSITIVE_INFINITY
  }

  #hasRoom(request: Request): boolean {
    if (this.#inFlight >= this.#slots) return false
    // A request that is larger than the window is sent alone.
    if (!isBulk(request) || this.#bulkInFlight === 0) return true
    return (
      this.#bulkInFlight < this.#slots - 1 &&
      this.#bytesInFlight + transferBytes(request) <= this.#limit
    )
  }

  /** Dequeues the next request, if there is room for one. */
  #next(): Waiting | undefined {
    const [small] = this.#small
    const [bulk] = this.#bulk
    const mayBulk = bulk !== undefined && this.#hasRoom(bulk.request)
    if (small === undefined || (mayBulk && this.#smallBeforeBulk >= MOST_BEFORE_BULK)) {
      if (mayBulk) this.#smallBeforeBulk = 0
      return mayBulk ? this.#bulk.shift() : undefined
    }
    if (!this.#hasRoom(small.request)) return undefined
    if (bulk !== undefined) this.#smallBeforeBulk++
    return this.#small.shift()
  }

  #count(request: Request, sign: 1 | -1): void {
    this.#inFlight += sign
    if (!isBulk(request)) return
    this.#bulkInFlight += sign
    this.#bytesInFlight += sign * transferBytes(request)
  }
}

/** Also zeroes and discards of large ranges, which keep a server busy. */
function isBulk({ command, length }: Request): boolean {
  return length > SMALL_BYTES && command !== COMMAND.blockStatus
}

/** Bytes that a request moves, besides its header. */
export function transferBytes({ command, length }: Request): number {
  return command === COMMAND.read || command === COMMAND.write ? length : 0
}
