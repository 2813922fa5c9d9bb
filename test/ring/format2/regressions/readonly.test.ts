import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('advance on a read-only device is refused each time', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  const producer = await attachProducer(device)
  await producer.append([Buffer.from('a')])
  await producer.close()
  const bytes = new Uint8Array(512 * 512)
  await device.read(0, [bytes])
  const readOnly = await MemoryBlockDevice.from(bytes, { mode: 'read-only' })
  const consumer = await Consumer.attach(readOnly)
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error()
  const before = consumer.position
  await expect(consumer.advance(popped.position)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  expect(consumer.position).toBe(before)
  await expect(consumer.advance(popped.position)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
})
