import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import type { AttachOptions, CreateOptions } from '../../src/ring/types.ts'
import { FORMAT } from './format.ts'

const SECTOR = 512
/** What a ring takes besides its data area. */
const OVERHEAD_BYTES = { 1: 3 * SECTOR, 2: 12 * 4096 } as const

/** How to make the smallest rings of the format of this run. */
export const SMALL: CreateOptions = { format: FORMAT, ...(FORMAT === 2 && { blockSize: SECTOR }) }

/**
 * Sectors of 512 bytes of a device for a {@link SMALL} ring with a data area of so many bytes: in format 2, of the next
 * multiple of 4096.
 */
export function sectorsFor(dataBytes: number): number {
  const bytes = FORMAT === 1 ? dataBytes : Math.ceil(dataBytes / 4096) * 4096
  return (OVERHEAD_BYTES[FORMAT] + bytes) / SECTOR
}

/** A memory device with an empty {@link SMALL} ring of so much data area. */
export async function smallRing(dataBytes: number = 13 * SECTOR): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: sectorsFor(dataBytes) })
  await Producer.create(device, SMALL)
  return device
}

/** A memory device with an empty ring of format 1 on it. */
export async function ringDevice(
  sizeSectors = 16,
  sectorSize = 512,
  name = 'memory',
): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors, sectorSize, name })
  await Producer.create(device, { format: 1 })
  return device
}

/** Attaches a producer to a ring that has to be running. */
export async function attachProducer(
  device: BlockDevice,
  options: AttachOptions = {},
): Promise<Producer> {
  const attached = await Producer.attach(device, options)
  if (attached.status !== 'attached') throw new Error('the ring is suspended')
  return attached.producer
}

/** Pushes an item that has to have room, and makes it visible. */
export async function append(producer: Producer, item: Uint8Array): Promise<void> {
  const pushed = await producer.push(item)
  if (pushed.status !== 'ok') throw new Error(`push answered ${pushed.status}`)
  await producer.advance(pushed.position)
}
