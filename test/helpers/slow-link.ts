import type { NbdDial, NbdStreamReceiver } from '../../src/block/nbd/index.ts'
import type { Clock } from '../../src/clock.ts'

/** How often bytes go over a slow link. */
const STEP_MS = 100

/** One direction of a link: what is put in comes out at its pace. */
class Pipe {
  readonly #queue: Uint8Array[] = []
  readonly #bytesPerStep: () => number
  readonly #clock: Clock
  readonly #out: (piece: Uint8Array) => void
  #moving = false

  constructor(clock: Clock, bytesPerStep: () => number, out: (piece: Uint8Array) => void) {
    this.#clock = clock
    this.#bytesPerStep = bytesPerStep
    this.#out = out
  }

  put(piece: Uint8Array): void {
    this.#queue.push(piece)
    if (!this.#moving) void this.#move()
  }

  clear(): void {
    this.#queue.length = 0
  }

  async #move(): Promise<void> {
    this.#moving = true
    while (this.#queue.length > 0) {
      await this.#clock.sleep(STEP_MS)
      for (let left = this.#bytesPerStep(); left > 0; ) {
        const [first] = this.#queue
        if (first === undefined) break
        const piece = first.subarray(0, left)
        if (piece.length < first.length) this.#queue[0] = first.subarray(piece.length)
        else this.#queue.shift()
        left -= piece.length
        this.#out(piece)
      }
    }
    this.#moving = false
  }
}

/** The pace of a link, in bytes a second; may be changed while it is used. */
export interface Pace {
  bytesPerSecond: number
}

/** Puts a slow link, the same both ways, before a server in memory. */
export function slowLink(dial: NbdDial, clock: Clock, pace: Pace): NbdDial {
  const bytesPerStep = (): number => Math.ceil((pace.bytesPerSecond * STEP_MS) / 1000)
  return async (address, receiver, options) => {
    const back = new Pipe(clock, bytesPerStep, (piece) => deliver(receiver, piece))
    let memory = new Uint8Array(0)
    const stream = await dial(
      address,
      {
        space: () => {
          memory = new Uint8Array(64 << 10)
          return memory
        },
        filled: (bytes) => back.put(memory.subarray(0, bytes)),
        taken: () => undefined,
        ended: (error) => receiver.ended(error),
      },
      options,
    )
    const forth = new Pipe(clock, bytesPerStep, (piece) => {
      stream.send([piece])
      receiver.taken(piece.length)
    })
    return {
      send: (pieces) => {
        for (const piece of pieces) forth.put(piece)
      },
      keepAlive: (needed) => stream.keepAlive(needed),
      startTls: () => stream.startTls(),
      end: () => stream.end(),
      destroy: () => {
        forth.clear()
        stream.destroy()
      },
    }
  }
}

function deliver(receiver: NbdStreamReceiver, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const space = receiver.space()
    const piece = bytes.subarray(at, at + space.length)
    space.set(piece)
    at += piece.length
    receiver.filled(piece.length)
  }
}
