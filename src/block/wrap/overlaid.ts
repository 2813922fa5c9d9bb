import type { BlockDevice, RequestOptions } from '../device.ts'
import { ForwardingBlockDevice } from './forward.ts'

/** Bytes at an offset, in bytes from the device's start. */
export interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A device as it will read once pieces are written to it, for checking a change before it is made. */
export class OverlaidBlockDevice extends ForwardingBlockDevice {
  readonly #pieces: readonly Piece[]

  constructor(inner: BlockDevice, pieces: readonly Piece[]) {
    super(inner)
    this.#pieces = pieces
  }

  override async read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    const { sectorSize } = await this.inner.getInfo()
    await this.inner.read(sectorStart, buffers, options)
    let at = sectorStart * sectorSize
    for (const buffer of buffers) {
      for (const { offset, bytes } of this.#pieces) {
        const from = Math.max(offset, at)
        const to = Math.min(offset + bytes.length, at + buffer.length)
        if (from < to) buffer.set(bytes.subarray(from - offset, to - offset), from - at)
      }
      at += buffer.length
    }
  }
}
