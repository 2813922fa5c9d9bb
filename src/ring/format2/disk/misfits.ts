import { RingError } from '../../../errors.ts'
import { formatUuid } from './block.ts'
import type { Layout } from './layout.ts'
import type { Superblock } from './superblock.ts'

// Why a ring does not open on its device; loaded only then.

/** The device is smaller than the ring. */
export function shrunk(
  { uuid, deviceBytes }: Superblock,
  found: number,
  device: string,
): RingError {
  return new RingError(
    'RING_DEVICE_TOO_SMALL',
    `${device} has shrunk: the ring ${formatUuid(uuid)} needs ${deviceBytes} bytes, but ${found} are left; ` +
      'restore its original size',
    { device, field: 'device size', expected: `at least ${deviceBytes}`, found: String(found) },
  )
}

/** The ring does not fit the device: its sectors, or where its data is. */
export function misfit(
  ring: Superblock,
  layout: Layout,
  sectorSize: number,
  device: string,
): RingError {
  if (ring.blockSize % sectorSize !== 0) return tooLargeSectors(ring, sectorSize, device)
  const field = 'data area'
  const expected = `${layout.dataBlocks} blocks at ${layout.dataOffset}`
  const found = `${ring.dataBlocks} blocks at ${ring.dataOffset}`
  return new RingError(
    'RING_CORRUPT',
    `The ring ${formatUuid(ring.uuid)} does not fit ${device}: ${field}: expected ${expected}, found ${found}`,
    { device, field, expected, found },
  )
}

/** The ring is fine, but with these sectors it cannot be written block by block. */
export function tooLargeSectors(
  { uuid, blockSize }: Pick<Superblock, 'uuid' | 'blockSize'>,
  sectorSize: number,
  device: string,
): RingError {
  return new RingError(
    'RING_SECTOR_SIZE',
    `The ring ${formatUuid(uuid)} on ${device} has blocks of ${blockSize} bytes, but the device was opened with sectors of ` +
      `${sectorSize}: open it with a sector size of ${blockSize}; if its own sectors are larger, copy it to a device with smaller ` +
      'ones, such as a file',
    { device, field: 'sector size', expected: String(blockSize), found: String(sectorSize) },
  )
}
