import { COPIES_VECTORS } from '../../native/runtime.ts'
import type { Permit } from '../../permit.ts'
import { runs } from '../../runs.ts'
import type { Engine } from '../engine/engine.ts'
import { BouncePool, isAligned } from './aligned.ts'
import { isOneCall, transfer } from './transfer.ts'

const BOUNCE_BYTES = 1 << 20
const BOUNCE_BUFFERS = 4

/**
 * Moves whole sectors between memory and a file. With direct I/O, unaligned memory is copied through aligned buffers:
 * all buffers of a request if any of them is unaligned, because one call costs less than several; and if the runtime
 * copies vectored calls.
 */
export class Channel {
  readonly #engine: Engine
  readonly #sectorSize: number
  readonly #bounce: BouncePool | undefined

  constructor(engine: Engine, sectorSize: number, direct: boolean) {
    this.#engine = engine
    this.#sectorSize = sectorSize
    this.#bounce = direct ? new BouncePool(BOUNCE_BUFFERS, BOUNCE_BYTES) : undefined
  }

  /** True if one call writes all of the buffers. */
  isOneCall(buffers: readonly Uint8Array[], bytes: number): boolean {
    const bounce = this.#bounceFor(buffers)
    return bounce === undefined ? isOneCall(buffers, bytes) : bytes <= bounce.bytes
  }

  /** Returns the bytes read; fewer than the buffers have means that the file ends there. */
  read(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    permit: Permit,
  ): Promise<number> {
    const bounce = this.#bounceFor(buffers)
    if (bounce === undefined) {
      return transfer(this.#engine.read, fd, buffers, position, this.#sectorSize, permit)
    }
    return bounce.use((memory) =>
      this.#inPieces(buffers, memory, async (piece, parts, done) => {
        const read = await transfer(
          this.#engine.read,
          fd,
          [piece],
          position + done,
          this.#sectorSize,
          permit,
        )
        let at = 0
        for (const part of parts) {
          part.set(piece.subarray(at, at + part.length))
          at += part.length
        }
        return read
      }),
    )
  }

  /** Returns the bytes written; fewer than the buffers have means that the file accepted no more. */
  write(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    permit: Permit,
  ): Promise<number> {
    const bounce = this.#bounceFor(buffers)
    if (bounce === undefined) {
      return transfer(this.#engine.write, fd, buffers, position, this.#sectorSize, permit)
    }
    return bounce.use((memory) =>
      this.#inPieces(buffers, memory, (piece, parts, done) => {
        let at = 0
        for (const part of parts) {
          piece.set(part, at)
          at += part.length
        }
        const target = position + done
        return transfer(this.#engine.write, fd, [piece], target, this.#sectorSize, permit)
      }),
    )
  }

  #bounceFor(buffers: readonly Uint8Array[]): BouncePool | undefined {
    if (this.#bounce === undefined) return undefined
    const direct =
      (buffers.length === 1 || !COPIES_VECTORS) &&
      buffers.every((buffer) => isAligned(buffer, this.#sectorSize))
    return direct ? undefined : this.#bounce
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
