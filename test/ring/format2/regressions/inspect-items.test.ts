// inspectRing().items() tells items twice when it meets damage while the consumer is at work.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../../src/ring/access/inspect.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('an inspection reports no item twice', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 112 })
  await Producer.create(device, { blockSize: 512 })
  const producer = await attachProducer(device)
  for (let i = 0; i < 10; i++) await producer.append([Buffer.from(`a${i}`)])
  await producer.close()
  await device.write(88 + 8, [new Uint8Array(512)])
  const consumer = await Consumer.attach(device)
  const told: string[] = []
  await expect(async () => {
    for await (const { item } of (await inspectRing(device)).items()) {
      told.push(Buffer.from(item).toString())
      if (told.length !== 4) continue
      const popped = await consumer.pop()
      if (popped.status === 'item') await consumer.advance(popped.position)
    }
  }).rejects.toMatchObject({ code: 'RING_DAMAGED' })
  expect(told).toEqual([...new Set(told)])
})
