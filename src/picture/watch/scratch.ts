import type { BlockDevice } from '../../block/device.ts'

/** From this size on, files allocate memory that any file can read into directly. */
const LEAST_BYTES = 1 << 17

/** Memory that looks read into one after the other, at any ring; its content is meaningless between looks. */
export class Scratch {
  #memory: Uint8Array | undefined

  /** This many bytes, which the next user reuses. */
  memory(device: BlockDevice, bytes: number): Uint8Array {
    if (this.#memory === undefined || this.#memory.length < bytes)
      this.#memory = device.allocate(Math.max(bytes, LEAST_BYTES))
    return this.#memory.subarray(0, bytes)
  }
}

/** Scratch memory for all looks that run at the same time. */
export class ScratchPool {
  readonly #free: Scratch[] = []

  /** Runs `work` with one. It is not used again if the work fails: the device may still write to it. */
  async use<T>(work: (scratch: Scratch) => Promise<T>): Promise<T> {
    const scratch = this.#free.pop() ?? new Scratch()
    const result = await work(scratch)
    this.#free.push(scratch)
    return result
  }
}
