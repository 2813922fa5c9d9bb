import { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { toText } from '../position.ts'
import { type BadBlock, formatUuid } from './block.ts'
import type { Layout } from './layout.ts'
import type { Superblock } from './superblock.ts'

// The reasons why a ring does not open on its device, or accepts no more items. Loaded only then.

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

/** The ring does not fit the device: its sector size or the location of its data. */
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

/** The ring is intact, but cannot be written block by block with sectors this large. */
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

/** A count has reached the limit that readers accept: half of what a number holds exactly. */
export function exhausted(device: string, { field, expected, found }: BadBlock): RingError {
  return new RingError(
    'RING_EXHAUSTED',
    `The ring on ${device} has exhausted its counts (${field}: expected ${expected}, found ${found}); nothing was ` +
      `written. Continue in a new ring, with the unacknowledged items of this one: sbr migrate ${device} NEW --keep`,
    { device, field, expected, found },
  )
}

/** There is no room for the marker that would commit the pushed items. */
export function noRoom(device: string, position: Position): RingError {
  return new RingError(
    'RING_NO_ROOM',
    `${device} has no room for the marker that commits the pushed items: the consumer's cursor went back, as ` +
      'when the storage loses its cache; advance again once the consumer has refreshed',
    { device, position: toText(position) },
  )
}

/** Repeated readings, each with a flush in between, never agreed. */
export function keepsChanging(device: string): RingError {
  return new RingError(
    'RING_ROLE_CONFLICT',
    `Another producer keeps writing to ${device}; make sure that there is only one, then attach again`,
    { device, field: 'producer', expected: 'no other producer', found: 'changing slots' },
  )
}
