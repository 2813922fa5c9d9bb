import type { BlockDevice, WriteOptions } from '../../block/device.ts'
import { ForwardingBlockDevice } from '../../block/wrap/forward.ts'
import type { Lease } from './lease.ts'

/**
 * A device that a host may use as long as its lease lasts: no write is begun later, and none that ends later counts.
 */
export class LeasedBlockDevice extends ForwardingBlockDevice {
  readonly #lease: Lease

  constructor(inner: BlockDevice, lease: Lease) {
    super(inner)
    this.#lease = lease
  }

  override read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.#lease.hold(() => super.read(sectorStart, buffers))
  }

  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return this.#change(() => super.write(sectorStart, buffers, options))
  }

  override flush(): Promise<void> {
    return this.#change(() => super.flush())
  }

  async #change(request: () => Promise<void>): Promise<void> {
    try {
      await this.#lease.hold(request)
    } catch (error) {
      this.#lease.doubt()
      throw error
    }
  }
}
