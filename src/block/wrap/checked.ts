import type { BlockDevice, BlockInfo, RequestOptions, WriteOptions } from '../device.ts'
import type { Permit } from '../permit.ts'
import { checkSectors } from '../validate.ts'
import { type MemoryAccess, MemoryInUse } from './memory-use.ts'
import { WrappingBlockDevice } from './wrapping.ts'

/**
 * Checks every precondition of {@link BlockDevice} before it calls the wrapped device: for back-ends that do not
 * check, and to find a caller's mistakes. It rejects invalid arguments, writes to a read-only device, missing
 * capabilities, calls after disconnecting, and buffers that share memory with those of a request in flight on this
 * handle (which "must not be touched").
 *
 * It queries the device's size before every request, because a device may shrink; `getInfo` notices growth.
 *
 * @example
 * ```ts
 * import { CheckedBlockDevice, MemoryBlockDevice } from 'shared-block-ring/block'
 *
 * await using device = await CheckedBlockDevice.open(new MemoryBlockDevice({ sizeSectors: 8 }))
 * const buffer = new Uint8Array(512)
 * const first = device.read(0, [buffer])
 * await device.read(1, [buffer]).catch((error) => console.log(error.name)) // RangeError
 * await first
 * ```
 */
export class CheckedBlockDevice extends WrappingBlockDevice {
  readonly #inUse = new MemoryInUse()

  private constructor(device: BlockDevice, info: BlockInfo) {
    super(device, { name: device.name, capabilities: device.capabilities, info, sectorStart: 0 })
  }

  /**
   * Wraps a device, which from now on is disconnected through the wrapper.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the device
   */
  static async open(device: BlockDevice): Promise<CheckedBlockDevice> {
    return new CheckedBlockDevice(device, await device.getInfo())
  }

  /** The wrapped device: the way around the checks. */
  get unsafe(): BlockDevice {
    return this.below
  }

  /** @throws {RangeError} also when a buffer shares memory with one in use, or with another of these */
  override read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    return this.#withMemory(buffers, 'fills', () => super.read(sectorStart, buffers, options))
  }

  /** @throws {RangeError} also when a buffer shares memory with one that a read in flight fills */
  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return this.#withMemory(buffers, 'reads', () => super.write(sectorStart, buffers, options))
  }

  protected override viewOf(below: BlockInfo): BlockInfo {
    return below
  }

  protected override async doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void> {
    await this.#checkStillThere(sectorStart, this.#sectorsOf(buffers))
    await super.doRead(sectorStart, buffers, permit)
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    await this.#checkStillThere(sectorStart, this.#sectorsOf(buffers))
    await super.doWrite(sectorStart, buffers, durable, permit)
  }

  protected override async doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    await this.#checkStillThere(sectorStart, sectors)
    await super.doDiscard(sectorStart, sectors, permit)
  }

  protected override async doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    await this.#checkStillThere(sectorStart, sectors)
    await super.doWriteZeroes(sectorStart, sectors, durable, permit)
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    await this.#checkStillThere(sectorStart, 0)
    return super.doSeekMapped(sectorStart)
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    await this.#checkStillThere(sectorStart, 0)
    return super.doSeekUnmapped(sectorStart)
  }

  async #checkStillThere(sectorStart: number, sectors: number): Promise<void> {
    checkSectors(await this.doGetInfo(), sectorStart, sectors)
  }

  #sectorsOf(buffers: readonly Uint8Array[]): number {
    const bytes = buffers.reduce((total, buffer) => total + buffer.byteLength, 0)
    return bytes / this.info.sectorSize
  }

  /** The memory is in use from the call on, before anything is awaited. */
  async #withMemory(
    buffers: readonly Uint8Array[],
    access: MemoryAccess,
    request: () => Promise<void>,
  ): Promise<void> {
    // Anything else is refused by the request's own checks.
    const list = Array.isArray(buffers) ? buffers.filter((each) => each instanceof Uint8Array) : []
    const release = this.#inUse.take(list, access)
    try {
      await request()
    } finally {
      release()
    }
  }
}
