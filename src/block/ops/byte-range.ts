import { buffersFor } from '../buffers.ts'
import type { BlockDevice, BlockInfo } from '../device.ts'
import { readOnly } from '../validate.ts'

/** A device, addressed in bytes, the common unit of devices with different sector sizes. */
export interface Area {
  readonly device: BlockDevice
  readonly info: BlockInfo
  readonly sizeBytes: number
}

/**
 * @throws {RangeError} the device has more bytes than a safe integer can count
 * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the device
 */
export async function areaOf(device: BlockDevice): Promise<Area> {
  const info = await device.getInfo()
  const sizeBytes = info.sectorSize * info.sizeSectors
  if (!Number.isSafeInteger(sizeBytes)) {
    throw new RangeError(`${device.name} has more than 2^53 bytes; use a partition of it`)
  }
  return { device, info, sizeBytes }
}

/** As {@link areaOf}, of a device that will be written. @throws {BlockError} also `BLOCK_READ_ONLY` */
export async function targetOf(device: BlockDevice): Promise<Area> {
  const area = await areaOf(device)
  if (!area.info.readWrite) throw readOnly(device.name)
  return area
}

/**
 * A source and a target of one size.
 * @throws {TypeError} both are the same device
 * @throws {RangeError} they differ in size
 * @throws {BlockError} `BLOCK_READ_ONLY`: the target; `BLOCK_DISCONNECTED`, or a code of a device
 */
export async function pairOf(from: BlockDevice, to: BlockDevice): Promise<[Area, Area]> {
  if (from === to) throw new TypeError(`${from.name} cannot be copied to itself`)
  const source = await areaOf(from)
  const target = await targetOf(to)
  if (source.sizeBytes !== target.sizeBytes) {
    throw new RangeError(
      `${from.name} has ${source.sizeBytes} bytes, but ${to.name} has ${target.sizeBytes}; nothing was ` +
        'written: copy between partitions of one size, or resize the target',
    )
  }
  return [source, target]
}

/** The smallest number of bytes that is a multiple of both devices' sector sizes. */
export function commonUnit(a: Area, b: Area): number {
  const [sizeA, sizeB] = [a.info.sectorSize, b.info.sectorSize]
  let [divisor, rest] = [sizeA, sizeB]
  while (rest > 0) [divisor, rest] = [rest, divisor % rest]
  return (sizeA / divisor) * sizeB
}

/** Fills the memory from that byte on. */
export function readAt({ device, info }: Area, offset: number, memory: Uint8Array): Promise<void> {
  return device.read(offset / info.sectorSize, buffersFor(device, info.sectorSize, memory))
}

/** Writes the memory from that byte on. */
export function writeAt({ device, info }: Area, offset: number, memory: Uint8Array): Promise<void> {
  return device.write(offset / info.sectorSize, buffersFor(device, info.sectorSize, memory))
}

/** Two requests at the same time: it settles when both have, because their memory is in use until then. */
export async function bothSettled(first: Promise<void>, second: Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled([first, second])) {
    if (result.status === 'rejected') throw result.reason
  }
}
