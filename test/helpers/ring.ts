import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Producer } from '../../src/ring/ring.ts'
import type { AttachOptions } from '../../src/ring/types.ts'

/** A memory device with an empty ring on it. */
export async function ringDevice(sizeSectors = 16, sectorSize = 512): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors, sectorSize })
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
