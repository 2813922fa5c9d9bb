import type { BlockDevice, RequestOptions, WriteOptions } from '../device.ts'
import { both, type Permit } from '../permit.ts'
import { ForwardingBlockDevice } from './forward.ts'

/** Forwards every request with a permit, in addition to the request's own: once it refuses, nothing more is sent. */
export class PermittedBlockDevice extends ForwardingBlockDevice {
  readonly #permit: Permit

  constructor(inner: BlockDevice, permit: Permit) {
    super(inner)
    this.#permit = permit
  }

  override read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    return super.read(sectorStart, buffers, this.#permitted(options))
  }

  readNow(sectorStart: number, buffer: Uint8Array): boolean {
    try {
      this.#permit()
    } catch {
      return false
    }
    return this.inner.readNow?.(sectorStart, buffer) ?? false
  }

  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return super.write(sectorStart, buffers, this.#permitted(options))
  }

  override flush(options?: RequestOptions): Promise<void> {
    return super.flush(this.#permitted(options))
  }

  override discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return super.discard(sectorStart, sectors, this.#permitted(options))
  }

  override writeZeroes(
    sectorStart: number,
    sectors: number,
    options?: WriteOptions,
  ): Promise<void> {
    return super.writeZeroes(sectorStart, sectors, this.#permitted(options))
  }

  #permitted(options: WriteOptions | undefined): WriteOptions {
    return { ...options, permit: both(this.#permit, options?.permit) }
  }
}
