import type { Random } from '../world/random.ts'
import type { Scheduler } from '../world/scheduler.ts'

/** The traits of a link between two machines. */
export interface LinkTraits {
  /** Milliseconds that a byte takes. */
  readonly latencyMs: number
  /** Bytes that pass in a millisecond. */
  readonly bytesPerMs: number
  /** The most bytes that arrive at a time; often fewer do. */
  readonly segmentBytes: number
  /** The most bytes that are taken from a sender and have not arrived. */
  readonly windowBytes: number
}

/** The receiver of a {@link Pipe}. */
export interface PipeEnd {
  /** Bytes arrive. They are the receiver's own. */
  arrive(bytes: Uint8Array): void
  /** This many more bytes were taken from the sender. */
  taken(bytes: number): void
  /** Everything has arrived; this is the end. */
  over(): void
}

/** The part of segments that are cut in two although they could arrive whole. */
const CUT = 0.2

/**
 * * One direction of a connection: bytes arrive in order, late, and cut anywhere. It distinguishes bytes that the
 * sender's system has accepted from those that it has not, because only the former arrive once the sender is gone.
 */
export class Pipe {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #traits: LinkTraits
  readonly #end: PipeEnd
  /** Pieces that have not entered the window yet. */
  #waiting: Uint8Array[] = []
  #window: Uint8Array[] = []
  #windowBytes = 0
  #moving = false
  /** True if the next segment directly follows the one that arrives. */
  #flowing = false
  #finishing = false
  #closed = false
  #stalledUntil = 0
  /** Delivers the segment that waits for the end of a stall. */
  #stalled: (() => void) | undefined
  #isPaused = false

  constructor(scheduler: Scheduler, random: Random, traits: LinkTraits, end: PipeEnd) {
    this.#scheduler = scheduler
    this.#random = random
    this.#traits = traits
    this.#end = end
  }

  /** Sends bytes, after all that were sent before. */
  write(pieces: readonly Uint8Array[]): void {
    if (this.#closed || this.#finishing) return
    for (const piece of pieces) if (piece.length > 0) this.#waiting.push(piece)
    this.#take()
  }

  /** Ends the stream: the receiver is told once everything has arrived. */
  finish(): void {
    this.#finishing = true
    this.#move()
  }

  /** The sender is gone: bytes that were not accepted never arrive, and accepted ones may. */
  abandon(): void {
    this.#waiting = []
    this.finish()
  }

  /** Delivers all accepted bytes now, unless the pipe is stalled. */
  hurry(): void {
    if (this.#closed || this.#windowBytes === 0 || this.#stalledUntil > this.#scheduler.now) return
    this.#end.arrive(this.#cut(this.#windowBytes))
  }

  /** Drops everything that has not arrived. */
  close(): void {
    this.#closed = true
    this.#waiting = []
    this.#window = []
  }

  /** Stalls for `ms` milliseconds. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#scheduler.now + ms)
  }

  /** Ends stalls, from now on. */
  heal(): void {
    this.#stalledUntil = 0
    this.#stalled?.()
  }

  /** Pauses or resumes receiving. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (!isPaused) this.#move()
  }

  #take(): void {
    let taken = 0
    for (;;) {
      const [piece] = this.#waiting
      const room = this.#traits.windowBytes - this.#windowBytes
      if (piece === undefined || room <= 0) break
      const part = piece.subarray(0, room)
      // The sender may use its memory again when it has its answer.
      this.#window.push(part.slice())
      this.#windowBytes += part.length
      taken += part.length
      if (part.length === piece.length) this.#waiting.shift()
      else this.#waiting[0] = piece.subarray(part.length)
    }
    if (taken > 0) {
      this.#scheduler.after(0, () => {
        this.#end.taken(taken)
        return true
      })
    }
    this.#move()
  }

  /** Sends the next segment, if none is in flight. */
  #move(): void {
    if (this.#moving || this.#isPaused || this.#closed) return
    const [first] = this.#window
    if (first === undefined && !(this.#finishing && this.#waiting.length === 0)) return
    const { latencyMs, bytesPerMs, segmentBytes } = this.#traits
    const most = Math.min(this.#windowBytes, segmentBytes)
    const bytes = this.#random.chance(CUT) ? Math.min(most, this.#random.between(1, most)) : most
    this.#moving = true
    // A segment that directly follows was in flight meanwhile.
    const late = this.#flowing ? 0 : latencyMs * (0.5 + this.#random.float())
    this.#arriveAfter(late + bytes / bytesPerMs, bytes)
  }

  #arriveAfter(ms: number, bytes: number): void {
    this.#scheduler.after(ms, () => {
      if (this.#closed) return false
      const stalled = this.#stalledUntil - this.#scheduler.now
      if (stalled > 0) {
        this.#waitOut(stalled, bytes)
        return false
      }
      this.#moving = false
      if (bytes === 0) {
        this.#closed = true
        this.#end.over()
        return true
      }
      this.#flowing = this.#windowBytes > bytes
      this.#end.arrive(this.#cut(bytes))
      this.#take()
      this.#flowing = false
      return true
    })
  }

  #waitOut(ms: number, bytes: number): void {
    const until = this.#scheduler.after(ms, () => {
      this.#stalled?.()
      return false
    })
    this.#stalled = () => {
      until.cancel()
      this.#stalled = undefined
      this.#arriveAfter(0, bytes)
    }
  }

  #cut(bytes: number): Uint8Array {
    const segment = new Uint8Array(bytes)
    for (let at = 0; at < bytes; ) {
      const first = this.#window[0] as Uint8Array
      const part = first.subarray(0, bytes - at)
      segment.set(part, at)
      at += part.length
      if (part.length === first.length) this.#window.shift()
      else this.#window[0] = first.subarray(part.length)
    }
    this.#windowBytes -= bytes
    return segment
  }
}
