import type { BlockDevice, BlockInfo } from '../device.ts'
import { WrappingBlockDevice } from './wrapping.ts'

/**
 * A device that refuses every write with `BLOCK_READ_ONLY`.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice, ReadOnlyBlockDevice } from 'shared-block-ring/block'
 *
 * await using device = await ReadOnlyBlockDevice.open(new MemoryBlockDevice({ sizeSectors: 8 }))
 * console.log((await device.getInfo()).readWrite) // false
 * ```
 */
export class ReadOnlyBlockDevice extends WrappingBlockDevice {
  private constructor(device: BlockDevice, info: BlockInfo) {
    super(device, {
      name: device.name,
      capabilities: device.capabilities,
      info: { ...info, readWrite: false },
      sectorStart: 0,
    })
  }

  /**
   * Wraps a device, which from now on is disconnected through the wrapper.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the device
   */
  static async open(device: BlockDevice): Promise<ReadOnlyBlockDevice> {
    return new ReadOnlyBlockDevice(device, await device.getInfo())
  }

  protected override viewOf(below: BlockInfo): BlockInfo {
    return { ...below, readWrite: false }
  }
}
