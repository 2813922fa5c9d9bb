import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import type { CreateOptions, PoppedItem } from '../../src/ring/types.ts'
import { FakeClock } from './fake-clock.ts'
import { deviceBytes } from './golden.ts'
import { attachProducer } from './ring.ts'

export const BLOCK = 512
/** Where the data area is, with blocks of 512 bytes: after the guard and eight blocks, each in a unit of 4096. */
export const DATA: number = 12_288 + 8 * 4096

/** A ring of format 2 with so many blocks of 512 bytes of data. */
export async function smallRing(
  dataBlocks: number,
  options: CreateOptions = {},
): Promise<MemoryBlockDevice> {
  const sizeSectors = (DATA + dataBlocks * BLOCK + 4096) / BLOCK
  const device = new MemoryBlockDevice({ sizeSectors })
  await Producer.create(device, { format: 2, blockSize: BLOCK, ...options })
  return device
}

/** Pushes each list of items as a batch of its own, visible, and lets go of the producer. */
export async function pushBatches(
  device: BlockDevice,
  batches: readonly (readonly Uint8Array[])[],
): Promise<void> {
  const producer = await attachProducer(device, { clock: new FakeClock() })
  for (const items of batches) {
    const result = await producer.append(items)
    if (result.status !== 'ok' || result.positions.length !== items.length) {
      throw new Error(`no room for ${items.length} items`)
    }
  }
  await producer.close()
}

/** Pops up to so many items, and acknowledges them. */
export async function take(
  device: BlockDevice,
  maxItems: number,
  onDamage: 'skip' | 'stop' = 'stop',
): Promise<readonly PoppedItem[]> {
  const consumer = await Consumer.attach(device, { onDamage, clock: new FakeClock() })
  const popped: PoppedItem[] = []
  while (popped.length < maxItems) {
    const more = await consumer.popMany({ maxItems: maxItems - popped.length })
    const last = more.at(-1)
    if (last === undefined) break
    popped.push(...more)
    await consumer.advance(last.position)
  }
  await consumer.close()
  return popped
}

/** A copy of a device, with some of its bytes made different. */
export async function damagedCopy(
  device: BlockDevice,
  ...offsets: readonly number[]
): Promise<MemoryBlockDevice> {
  const bytes = await deviceBytes(device)
  for (const offset of offsets) bytes[offset] = (bytes[offset] ?? 0) ^ 0x41
  return MemoryBlockDevice.from(bytes)
}
