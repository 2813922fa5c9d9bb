import type { BlockDevice } from '../../block/device.ts'
import { RingError } from '../../errors.ts'
import type { DeviceSize } from '../format.ts'
import { type DeviceContent, describeContent, readContent } from '../report/signatures.ts'
import type { CreateOptions } from '../types.ts'
import {
  CONSUMER_SECTOR,
  checkWholeSectors,
  encodeMagic,
  MAGIC_SECTOR,
  makeLayout,
  PRODUCER_SECTOR,
} from './layout.ts'
import { hasMagic } from './magic.ts'
import { encodeFreshPointer } from './pointer.ts'

/**
 * As `Creation.checkOptions`.
 * @throws {RangeError} `onFull: 'overwrite'`, which format 1 does not support
 */
export function checkOptions(options: CreateOptions): void {
  if (options.onFull === 'overwrite') {
    throw new RangeError(
      'a ring of format 1 cannot overwrite its oldest items; create one of format 2',
    )
  }
}

/**
 * As `Creation.checkSize`.
 * @throws {RangeError} as `checkOptions`
 */
export function checkSize(size: DeviceSize, options: CreateOptions): void {
  checkOptions(options)
  makeLayout(size.sectorSize, size.sizeSectors, size.name)
  checkWholeSectors(size)
}

/**
 * Creates a ring on a device without a ring. An existing ring is never changed, nor are the data sectors.
 * @returns whether a ring was created
 * @throws {RangeError} `onFull: 'overwrite'`, which format 1 does not support
 * @throws {RingError} `RING_NOT_BLANK` if the device holds something else and `eraseOther` is not set;
 *   `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
 */
export async function createRing(device: BlockDevice, options: CreateOptions): Promise<boolean> {
  const info = await device.getInfo()
  const { sectorSize } = info
  checkSize({ ...info, name: device.name }, options)
  const content = await readContent(device)
  if (hasMagic(content.start)) return false
  if (options.eraseOther !== true && !isFree(content)) {
    const found = describeContent(content)
    throw new RingError(
      'RING_NOT_BLANK',
      `${device.name} holds ${found}; nothing was written. Erase it, or overwrite it on purpose`,
      { device: device.name, expected: 'zeroes, or a ring', found },
    )
  }
  // The magic is written last, so a ring that has it is complete.
  const pointer = device.allocate(sectorSize)
  encodeFreshPointer(pointer)
  await device.write(PRODUCER_SECTOR, [pointer])
  await device.write(CONSUMER_SECTOR, [pointer])
  await device.flush()
  const magic = device.allocate(sectorSize)
  magic.set(encodeMagic(sectorSize))
  await device.write(MAGIC_SECTOR, [magic], { durable: true })
  return true
}

/** True if nothing would be lost. */
function isFree({ firstNonZero, unfinished }: DeviceContent): boolean {
  return firstNonZero < 0 || unfinished === 1
}
