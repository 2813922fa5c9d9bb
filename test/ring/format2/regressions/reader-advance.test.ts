// A refused advance is remembered: a later one to an earlier position acknowledges what the refused one named.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Producer } from '../../../../src/ring/access/attach.ts'
import { RingReader } from '../../../../src/ring/queue/reader.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('advancing acknowledges no more than it names', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 512 }))
  await Producer.create(device)
  const producer = await attachProducer(device)
  await producer.append(['a', 'b', 'c'].map((item) => Buffer.from(item)))
  await using reader = await RingReader.open(device, { refreshIntervalMs: 0 })
  const [a, , c] = await reader.receiveMany({ maxItems: 3 })
  device.before = ({ operation }) => {
    if (operation === 'read') throw new Error('the cable is out')
  }
  await expect(reader.ackThrough(c?.position ?? reader.position)).rejects.toThrow('cable')
  device.before = () => undefined
  await a?.ack()
  expect(reader.consumer.position).toBe(a?.position)
})
