import type { OptionKinds } from '../../util/options.ts'
import { checkCall } from '../check-device.ts'
import type { BlockDevice, BlockInfo } from '../device.ts'
import { checkSectors } from '../validate.ts'
import { DevicePart } from './device-part.ts'

/** The sectors of the device below that a {@link PartitionBlockDevice} consists of. */
export interface PartitionOptions {
  /** The device's sector that becomes the partition's sector 0. */
  readonly sectorStart: number
  /** Sectors in the partition. */
  readonly sectors: number
}

const KINDS: OptionKinds<PartitionOptions> = { sectorStart: 'number', sectors: 'number' }

/**
 * A run of sectors of another device, as a device; partitions can be partitioned again.
 *
 * A partition belongs to its opener, and so does the device below: `disconnect` of a partition waits for its own
 * requests and releases its own claims, and leaves the device below connected, for other partitions. Its size is
 * fixed, so `resize` is not supported; if the device below shrinks into it, `getInfo` returns the rest. Failures of
 * the device below pass unchanged, so their `details` name that device and its sectors.
 *
 * A role is claimed on the device below, as `role@start` with the place there where the partition begins, in sectors of
 * 512 bytes: two rings on one device do not exclude each other, but two claims for the same start do, however the
 * partitions are nested, and whatever sectors the device was opened with. A partition that starts at sector 0 uses the
 * plain name, because a ring at that start is also found by opening the whole device.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice, PartitionBlockDevice } from 'shared-block-ring/block'
 *
 * await using disk = new MemoryBlockDevice({ sizeSectors: 4096 })
 * const second = await PartitionBlockDevice.open(disk, { sectorStart: 2048, sectors: 1024 })
 * console.log((await second.getInfo()).sizeSectors) // 1024
 * ```
 */
export class PartitionBlockDevice extends DevicePart {
  private constructor(below: BlockDevice, info: BlockInfo, options: PartitionOptions) {
    const { sectorStart, sectors } = options
    super(below, info, {
      name: `${below.name}[${sectorStart}..${sectorStart + sectors})`,
      sectorStart,
      sectors,
    })
  }

  /**
   * @throws {TypeError} there is no such option, or a number is not a safe integer
   * @throws {RangeError} the sectors are not within the device
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the device below
   */
  static async open(device: BlockDevice, options: PartitionOptions): Promise<PartitionBlockDevice> {
    checkCall('PartitionBlockDevice.open', device, options, KINDS)
    const info = await device.getInfo()
    try {
      checkSectors(info, options.sectorStart, options.sectors)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(
        `a partition of ${options.sectors} sectors from sector ${options.sectorStart} does not fit on ` +
          `${device.name}, which has ${info.sizeSectors}; choose sectors within it`,
      )
    }
    return new PartitionBlockDevice(device, info, options)
  }
}
