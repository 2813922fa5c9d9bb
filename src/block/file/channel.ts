import { BouncePool, isAligned } from './aligned.ts'
import { isOneCall, readCall, transfer, writeCall } from './io.ts'

const BOUNCE_BYTES = 1 << 20
const BOUNCE_BUFFERS = 4

/**
 * Moves whole sectors between memory and a file. With direct I/O, memory that is not aligned is copied
 * through aligned buffers, all of a request's if any of them is: one call costs less than several.
 */
export class Channel {
  readonly #sectorSize: number
  readonly #bounce: BouncePool | undefined

  constructor(sectorSize: number, direct: boolean) {
    this.#sectorSize = sectorSize
    this.#bounce = direct ? new BouncePool(BOUNCE_BUFFERS, BOUNCE_BYTES) : undefined
  }

  /** Whether one call writes all of the buffers. */
  isOneCall(buffers: readonly Uint8Array[], bytes: number): boolean {
    const bounce = this.#bounceFor(buffers)
    return bounce === undefined ? isOneCall(buffers, bytes) : bytes <= bounce.bytes
  }

  /** Answers the bytes read; fewer than the buffers have means that the file ends there. */
  async read(fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
    const bounce = this.#bounceFor(buffers)
    if (bounce === undefined) {
      return transfer(readCall, fd, buffers, position, this.#sectorSize)
    }
    return bounce.use((memory) =>
      this.#inPieces(buffers, memory, async (piece, parts, done) => {
        const read = await transfer(readCall, fd, [piece], position + done, this.#sectorSize)
        let at = 0
        for (const part of parts) {
          part.set(piece.subarray(at, at + part.length))
          at += part.length
        }
        return read
      }),
    )
  }

  /** Answers the bytes written; fewer than the buffers have means that the file took no more. */
  async write(fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
    const bounce = this.#bounceFor(buffers)
    if (bounce === undefined) {
      return transfer(writeCall, fd, buffers, position, this.#sectorSize)
    }
    return bounce.use((memory) =>
      this.#inPieces(buffers, memory, (piece, parts, done) => {
        let at = 0
        for (const part of parts) {
          piece.set(part, at)
          at += part.length
        }
        return transfer(writeCall, fd, [piece], position + done, this.#sectorSize)
      }),
    )
  }

  #bounceFor(buffers: readonly Uint8Array[]): BouncePool | undefined {
    if (this.#bounce === undefined) return undefined
    return buffers.every((buffer) => isAligned(buffer, this.#sectorSize)) ? undefined : this.#bounce
  }

  /** Cuts the buffers into runs that fit the memory, and moves run after run while all of it moves. */
  async #inPieces(
    buffers: readonly Uint8Array[],
    memory: Uint8Array,
    move: (piece: Uint8Array, parts: readonly Uint8Array[], done: number) => Promise<number>,
  ): Promise<number> {
    let done = 0
    for (const { parts, bytes } of runs(buffers, memory.length)) {
      const moved = await move(memory.subarray(0, bytes), parts, done)
      done += moved
      if (moved < bytes) break
    }
    return done
  }
}

/** A run of at most as many bytes as fit, made of parts of the buffers. */
interface Run {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

function* runs(buffers: readonly Uint8Array[], limit: number): Generator<Run> {
  let parts: Uint8Array[] = []
  let bytes = 0
  for (const buffer of buffers) {
    for (let at = 0; at < buffer.length; ) {
      const part = buffer.subarray(at, at + limit - bytes)
      parts.push(part)
      at += part.length
      bytes += part.length
      if (bytes === limit) {
        yield { parts, bytes }
        parts = []
        bytes = 0
      }
    }
  }
  if (bytes > 0) yield { parts, bytes }
}
