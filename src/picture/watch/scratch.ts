import type { BlockDevice } from '../../block/device.ts'

/** From here on, files give memory that any of them can read into directly. */
const LEAST_BYTES = 1 << 17

/** Memory that one look after the other reads into, whichever ring it is at: what stays in it until the next one counts for nothing. */
export class Scratch {
  #memory: Uint8Array | undefined

  /** This many bytes, which the next user gets again. */
  memory(device: BlockDevice, bytes: number): Uint8Array {
    if (this.#memory === undefined || this.#memory.length < bytes)
      this.#memory = device.allocate(Math.max(bytes, LEAST_BYTES))
    return this.#memory.subarray(0, bytes)
  }
}

/** As much scratch memory as there are looks at a time. */
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
