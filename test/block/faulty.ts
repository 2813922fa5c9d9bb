import type { WriteOptions } from '../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { BlockError } from '../../src/errors.ts'

/** A device whose requests fail or take time when the test says so, and are counted. */
export class FaultyBlockDevice extends ForwardingBlockDevice {
  /** Operations that fail. */
  readonly failing: Set<string> = new Set()
  /** How many requests will fail, of those that would. */
  failures: number = Number.POSITIVE_INFINITY
  /** Requests so far, as `operation` or `operation durable`. */
  readonly requests: string[] = []
  /** Waits before each transfer. */
  delay: () => Promise<void> = async () => {}

  override async read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    await this.#request('read')
    await super.read(sectorStart, buffers)
  }

  override async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    await this.#request('write', options)
    await super.write(sectorStart, buffers, options)
  }

  override async writeZeroes(
    sectorStart: number,
    sectors: number,
    options?: WriteOptions,
  ): Promise<void> {
    await this.#request('writeZeroes', options)
    await super.writeZeroes(sectorStart, sectors, options)
  }

  override async flush(): Promise<void> {
    await this.#request('flush')
    await super.flush()
  }

  async #request(operation: string, options?: WriteOptions): Promise<void> {
    this.requests.push(options?.durable === true ? `${operation} durable` : operation)
    await this.delay()
    if (this.failing.has(operation) && this.failures > 0) {
      this.failures--
      throw new BlockError('BLOCK_IO', `${operation} fails, as told`, { device: this.name })
    }
  }
}
