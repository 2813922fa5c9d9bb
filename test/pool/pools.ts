import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Pool } from '../../src/pool/index.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { append, attachProducer } from '../helpers/ring.ts'

/** Bytes of the smallest ring with blocks of 4096 bytes, which is also the least that a ring of a pool takes. */
export const UNIT = 65_536
/** Where rings begin. */
export const START: number = 32 * UNIT
const text = new TextDecoder()

/** A device with an empty pool that has room for so many rings of a unit. */
export async function poolDevice(units = 16, sectorSize = 512): Promise<MemoryBlockDevice> {
  const sizeSectors = (START + units * UNIT) / sectorSize
  const device = new MemoryBlockDevice({ sizeSectors, sectorSize, name: 'disk' })
  await Pool.create(device)
  return device
}

/** A pool with some rings, each of a unit. */
export async function poolWith(...names: readonly string[]): Promise<Pool> {
  const pool = await Pool.open(await poolDevice())
  for (const name of names) await pool.add(name, { sizeBytes: UNIT })
  return pool
}

/** Pushes an item. */
export async function put(ring: BlockDevice, item: string): Promise<void> {
  const producer = await attachProducer(ring)
  try {
    await append(producer, new TextEncoder().encode(item))
  } finally {
    await producer.close()
  }
}

/** The items of a ring, which stay there. */
export async function itemsOf(ring: BlockDevice): Promise<readonly string[]> {
  await using consumer = await Consumer.attach(ring)
  return (await consumer.popMany()).map(({ item }) => text.decode(item))
}

/** All bytes of a device. */
export async function imageOf(device: BlockDevice): Promise<Uint8Array> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const image = new Uint8Array(sectorSize * sizeSectors)
  await device.read(0, [image])
  return image
}

/** The names of the rings. */
export async function namesIn(pool: Pool): Promise<readonly string[]> {
  return (await pool.status()).rings.map(({ name }) => name)
}
