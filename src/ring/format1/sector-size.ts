import type { BlockDevice } from '../../block/device.ts'
import { RingError } from '../../errors.ts'
import { isPointer, PRODUCER } from './pointer.ts'

const SIZES = [512, 1024, 2048, 4096] as const

/**
 * Checks that the ring was not created with another sector size, which format 1 does not record. It was if sector 1 has
 * no pointer at our size, but has one at another.
 * @throws {RingError} `RING_SECTOR_SIZE`
 */
export async function checkSectorSize(device: BlockDevice): Promise<void> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const most = Math.max(2 * sectorSize, 2 * Math.max(...SIZES))
  const bytes = device.allocate(Math.min(sizeSectors, most / sectorSize) * sectorSize)
  await device.read(0, [bytes])
  const holds = (size: number): boolean => isPointer(bytes.subarray(size, 2 * size), PRODUCER)
  if (holds(sectorSize)) return
  const other = SIZES.find((size) => size !== sectorSize && holds(size))
  if (other === undefined) return
  throw new RingError(
    'RING_SECTOR_SIZE',
    `The ring on ${device.name} was made with sectors of ${other} bytes, but the device was opened with ` +
      `${sectorSize}: open it with a sector size of ${other}; if its own sectors are larger, copy it to a device with ` +
      'smaller ones, such as a file',
    {
      device: device.name,
      field: 'sector size',
      expected: String(other),
      found: String(sectorSize),
    },
  )
}
