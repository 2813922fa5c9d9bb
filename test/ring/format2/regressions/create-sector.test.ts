import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('create does not destroy a ring that was made with smaller sectors', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 4096 })
  await Producer.create(device, { blockSize: 512 })
  const producer = await attachProducer(device)
  await producer.append([Buffer.from('precious')])
  await producer.close()
  const bytes = new Uint8Array(4096 * 512)
  await device.read(0, [bytes])
  const big = await MemoryBlockDevice.from(bytes, { sectorSize: 4096 })
  expect(await Producer.create(big, { blockSize: 65536 })).toEqual({ created: false })
  await big.read(0, [bytes])
  const again = await MemoryBlockDevice.from(bytes)
  const consumer = await Consumer.attach(again)
  expect((await consumer.popMany()).length).toBe(1)
})

test('attaching says that the sectors do not fit', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 4096 })
  await Producer.create(device, { blockSize: 512 })
  const bytes = new Uint8Array(4096 * 512)
  await device.read(0, [bytes])
  const big = await MemoryBlockDevice.from(bytes, { sectorSize: 4096 })
  await expect(Consumer.attach(big)).rejects.toThrow(/sector size/)
})
