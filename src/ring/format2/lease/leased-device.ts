import type { BlockDevice, RequestOptions, WriteOptions } from '../../../block/device.ts'
import { PermittedBlockDevice } from '../../../block/wrap/permitted.ts'
import type { Lease } from './lease.ts'

/**
 * A device that a host may use while its lease lasts. Afterwards nothing is sent, however a request is split, queued or
 * repeated, and nothing that completes counts.
 */
export class LeasedBlockDevice extends PermittedBlockDevice {
  readonly #lease: Lease

  constructor(inner: BlockDevice, lease: Lease) {
    super(inner, () => lease.check())
    this.#lease = lease
  }

  override read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    return this.#lease.hold(() => super.read(sectorStart, buffers, options))
  }

  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return this.#change(() => super.write(sectorStart, buffers, options))
  }

  override flush(options?: RequestOptions): Promise<void> {
    return this.#change(() => super.flush(options))
  }

  override discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return this.#change(() => super.discard(sectorStart, sectors, options))
  }

  override writeZeroes(
    sectorStart: number,
    sectors: number,
    options?: WriteOptions,
  ): Promise<void> {
    return this.#change(() => super.writeZeroes(sectorStart, sectors, options))
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
